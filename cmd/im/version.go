package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"im/store/postgres"
)

// These are set by the linker in a release: -X main.version=1.2.3. Without them, a build
// in a working tree of Git says what it was built from.
var version, commit, date = "", "", ""

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c versionCmd) Run(ctx context.Context, std streams) error {
	info, err := readVersion(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std.out, info)
	}
	_, err = fmt.Fprintf(std.out, "im %s\ncommit    %s\nbuilt     %s\ngo        %s %s\nschema    %d\n",
		info.Version, cmp.Or(info.Commit, "unknown"), cmp.Or(info.Built, "unknown"), info.Go, info.Platform, info.Schema)
	return err
}

// versionInfo is what im version prints.
type versionInfo struct {
	Version  string `json:"version"`         // of the release, or "development"
	Commit   string `json:"commit"`          // with "+changes" if files differed from it
	Built    string `json:"built,omitempty"` // of a release; else when the commit was made
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Schema   int    `json:"schema"` // the newest migration that this program has
}

func readVersion(ctx context.Context) (versionInfo, error) {
	info := builtVersion()
	var err error
	info.Schema, err = postgres.LatestSchema(ctx)
	return info, err
}

// versionText returns the version and, of a development build, the commit.
func versionText() string {
	info := builtVersion()
	if version != "" || info.Commit == "" {
		return info.Version
	}
	return info.Version + " " + info.Commit
}

// builtVersion returns what the linker and the working tree say of this program.
func builtVersion() versionInfo {
	info := versionInfo{
		Version: cmp.Or(version, "development"), Commit: commit, Built: date,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	of := map[string]string{}
	for _, s := range build.Settings {
		of[s.Key] = s.Value
	}
	if info.Commit == "" {
		info.Commit = of["vcs.revision"]
		if of["vcs.modified"] == "true" {
			info.Commit += "+changes"
		}
	}
	info.Built = cmp.Or(info.Built, of["vcs.time"])
	return info
}
