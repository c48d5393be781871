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
	AdminURLs   []string `json:"admin_urls,omitempty"` // for operators
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

// readDevInfo returns what the `im dev` with that data folder has written, or zero if
// none runs.
func readDevInfo(data string) (info devInfo) {
	text, err := os.ReadFile(devInfoPath(data))
	if err != nil || json.Unmarshal(text, &info) != nil {
		return devInfo{}
	}
	return info
}

// devURLs returns the URLs of the `im dev` with that data folder, or the default one
// if none runs.
func devURLs(data string) []string {
	if urls := readDevInfo(data).URLs; len(urls) > 0 {
		return urls
	}
	return []string{defaultURL}
}
