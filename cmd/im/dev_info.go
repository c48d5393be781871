package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

const (
	defaultURL  = "http://127.0.0.1:8080"
	defaultData = ".im"
)

// devInfo is the content of dev.json, which `im dev` keeps in its data folder while
// it runs. Other commands read from it where to connect.
type devInfo struct {
	URLs        []string `json:"urls"`
	DatabaseURL string   `json:"database_url,omitempty"`
}

func devInfoPath(data string) string { return filepath.Join(data, "dev.json") }

func writeDevInfo(data string, info devInfo) error {
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return os.WriteFile(devInfoPath(data), append(text, '\n'), 0o600)
}

// devURLs returns the URLs of the `im dev` with that data folder, or the default one
// if none runs.
func devURLs(data string) []string {
	var info devInfo
	text, err := os.ReadFile(devInfoPath(data))
	if err != nil || json.Unmarshal(text, &info) != nil || len(info.URLs) == 0 {
		return []string{defaultURL}
	}
	return info.URLs
}
