// Package signedcall signs HTTP calls to the app's backend by Standard Webhooks.
package signedcall

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Sign sets the headers that identify and sign a call: one signature for each secret. The
// error is about a secret that cannot be used; it does not contain the secret.
func Sign(h http.Header, secrets []string, id string, body []byte, at time.Time) error {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return err
		}
		if signatures[i], err = w.Sign(id, at, body); err != nil {
			return err
		}
	}
	// Not Set, which would write Webhook-Id: names are not case-sensitive, but these are
	// written so in the specification.
	h[standardwebhooks.HeaderWebhookID] = []string{id}
	h[standardwebhooks.HeaderWebhookTimestamp] = []string{strconv.FormatInt(at.Unix(), 10)}
	h[standardwebhooks.HeaderWebhookSignature] = []string{strings.Join(signatures, " ")}
	return nil
}
