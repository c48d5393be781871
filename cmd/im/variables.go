package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// connecting are the flags of commands that say where to connect. They have environment
// variables, as the settings of a node have.
var connecting = []string{
	"addr", "admin-addr", "amqp-url", "config", "data", "database-direct-url", "database-password", "database-url", "migrate-timeout", "postgres-bin", "redis-url", "url",
}

// variables gives the settings of nodes, and the flags that say where to connect, an
// environment variable each: --database-url is IM_DATABASE_URL. Other flags say what one
// command does; a variable that is left in an environment must not change that.
func variables() kong.Option {
	return kong.PostBuild(func(k *kong.Kong) error {
		for _, command := range k.Model.Leaves(false) {
			for _, group := range command.AllFlags(false) {
				for _, flag := range group {
					if isSetting(command, flag) {
						name := "IM_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
						flag.Envs, flag.Tag.Envs = []string{name}, []string{name}
					}
				}
			}
		}
		return nil
	})
}

// isSetting reports whether a flag is a setting: all flags of im serve are, and those that
// other commands share with it are in the same groups.
func isSetting(command *kong.Node, flag *kong.Flag) bool {
	return flag.Name != "help" && (command.Name == "serve" || flag.Group != nil || slices.Contains(connecting, flag.Name))
}
