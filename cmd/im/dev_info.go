package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// presence is what `im dev` leaves in its data folder while it runs, for the
// commands beside it.
type presence struct {
	URLs        []string `json:"urls"`
	DatabaseURL string   `json:"database_url,omitempty"`
}

const (
	defaultURL  = "http://127.0.0.1:8080"
	defaultData = ".im"
)

func presencePath(data string) string { return filepath.Join(data, "dev.json") }

func writePresence(data string, p presence) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(presencePath(data), append(text, '\n'), 0o600)
}

// readPresence returns the URLs of the `im dev` with that data folder, or where
// one would be.
func readPresence(data string) []string {
	var p presence
	text, err := os.ReadFile(presencePath(data))
	if err != nil || json.Unmarshal(text, &p) != nil || len(p.URLs) == 0 {
		return []string{defaultURL}
	}
	return p.URLs
}
