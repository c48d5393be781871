package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints scripts for shells. A script asks the program itself (im completion
// words) what may follow, so it stays right when the program is updated.
type completionCmd struct {
	Bash  completionScript `cmd:"" help:"Print the script for bash: source <(im completion bash)."`
	Zsh   completionScript `cmd:"" help:"Print the script for zsh: source <(im completion zsh)."`
	Fish  completionScript `cmd:"" help:"Print the script for fish: im completion fish | source."`
	Words completionWords  `cmd:"" hidden:"" help:"Print what may take the place of the last of the words."`
}

type completionScript struct{}

// Run implements the commands.
func (completionScript) Run(command *kong.Context, std streams) error {
	_, err := io.WriteString(std.out, completionScripts[command.Selected().Name])
	return err
}

// A value that im knows nothing about is completed as the name of a file.
var completionScripts = map[string]string{
	"bash": `_im() {
  local found words=("${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  while IFS= read -r found; do COMPREPLY+=("$found"); done < <("${COMP_WORDS[0]}" completion words -- "${words[@]}" 2>/dev/null)
}
complete -o default -F _im im
`,
	"zsh": `#compdef im
_im() {
  local -a found
  found=(${(f)"$("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( ${#found} )); then compadd -- $found; else _files; fi
}
compdef _im im
`,
	"fish": `function __im_words
  set -l words (commandline -opc) (commandline -ct)
  $words[1] completion words -- $words[2..] 2>/dev/null
end
complete -c im -a '(__im_words)'
`,
}

// completionWords answers the scripts.
type completionWords struct {
	Typed []string `arg:"" optional:"" passthrough:"all" help:"The words of the command line, without the name of the program."`
}

// Run implements the command.
func (c completionWords) Run(env environment, std streams) error {
	words := c.Typed
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, word := range complete(env.app, words) {
		if _, err := fmt.Fprintln(std.out, word); err != nil {
			return err
		}
	}
	return nil
}

// complete returns what may take the place of the last word.
func complete(app *kong.Application, words []string) (found []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	// Bash makes = a word of its own.
	isEqualsSign := func(word string) bool { return word == "=" }
	node, last := app.Node, strings.TrimPrefix(words[len(words)-1], "=")
	typed := slices.DeleteFunc(slices.Clone(words[:len(words)-1]), isEqualsSign)
	var value *kong.Flag // the flag whose value comes next
	for _, word := range typed {
		if value != nil {
			value = nil
			continue
		}
		name, _, valued := strings.Cut(word, "=")
		if flag := flagOf(node, name); flag != nil {
			if !valued && !flag.IsBool() {
				value = flag
			}
			continue
		}
		if child := childOf(node, word); child != nil {
			node = child
		}
	}
	name, text, valued := strings.Cut(last, "=")
	flag := flagOf(node, name)
	switch {
	case value != nil:
		return beginning(last, value.EnumSlice())
	case valued && flag != nil:
		for _, choice := range beginning(text, flag.EnumSlice()) {
			found = append(found, name+"="+choice)
		}
		return found
	case strings.HasPrefix(last, "-"):
		return beginning(last, flagsOf(node))
	}
	var names []string
	for _, child := range node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	for _, argument := range node.Positional {
		names = append(names, argument.EnumSlice()...)
	}
	return beginning(last, names)
}

// beginning returns the words that begin with a text, in order.
func beginning(text string, words []string) (found []string) {
	for _, word := range words {
		if word != "" && strings.HasPrefix(word, text) {
			found = append(found, word)
		}
	}
	slices.Sort(found)
	return found
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

func flagOf(node *kong.Node, name string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if "--"+flag.Name == name {
				return flag
			}
		}
	}
	return nil
}

func flagsOf(node *kong.Node) (names []string) {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			names = append(names, "--"+flag.Name)
		}
	}
	return names
}
