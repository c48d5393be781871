package chat

import "strings"

// parseLine tells a command from a text. A command begins with a slash; a text that does
// so is written with two. For a text, command is "".
func parseLine(line string) (command, argument, text string) {
	line = strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(line, "//"):
		return "", "", line[1:]
	case strings.HasPrefix(line, "/"):
		command, argument, _ = strings.Cut(line, " ")
		return command, strings.TrimSpace(argument), ""
	}
	return "", "", line
}

const (
	screenHelp = "/to USER: chat with USER · /quit: leave · //text: send /text · /help: show this"
	plainHelp  = "/quit: leave · //text: send /text · /help: show this"
)

// unknownCommand is the note about a command that does not exist.
func unknownCommand(command string) string {
	return "there is no command " + command + ": /help lists them, and // sends a slash"
}
