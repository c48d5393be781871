package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"im/push"
)

// devVAPIDSubject is where push services reach the operator of an `im dev`: nowhere.
const devVAPIDSubject = "mailto:im-dev@example.com"

// chooseVAPIDKey falls back to a key of the data folder, which is made at the first start, so
// that the web chat can subscribe to Web Push. Subscriptions are bound to the key. The
// folder must be locked.
func (c *devCmd) chooseVAPIDKey() error {
	if c.Push.VAPIDKey != "" {
		return nil
	}
	key, err := keptVAPIDKey(filepath.Join(c.Data, "vapid.key"))
	if err != nil {
		return err
	}
	c.Push.VAPIDKey, c.Push.VAPIDSubject = key, cmp.Or(c.Push.VAPIDSubject, devVAPIDSubject)
	return nil
}

// keptVAPIDKey returns the key of a file, and makes one if the file has none. Whether the key
// is valid is checked with the settings.
func keptVAPIDKey(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if key := strings.TrimSpace(string(text)); key != "" {
		return key, nil
	}
	key, err := push.NewVAPIDKey()
	if err != nil {
		return "", err
	}
	return key, os.WriteFile(file, []byte(key+"\n"), 0o600)
}
