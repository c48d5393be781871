package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// A service is what one operator has, however many names, addresses and ports it uses.
func TestPushService(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"https://fcm.googleapis.com/fcm/send/x":            "googleapis.com",
		"https://updates.push.services.mozilla.com/wpush/": "mozilla.com",
		"https://WNS2-par02p.Notify.Windows.com:444/w/":    "windows.com",
		"https://a.example.co.uk/":                         "example.co.uk",
		"https://example.co.uk./":                          "example.co.uk",
		"https://a.abc.io":                                 "abc.io",
		"https://localhost:8080/":                          "localhost",
		"http://127.0.0.1:8080/":                           "127.0.0.1",
		"https://[2606:4700:0:0:1::3]:8/":                  "2606:4700::/64",
		"https://[::ffff:8.8.8.8]/":                        "8.8.8.8",
	} {
		require.Equal(t, want, domain.PushAddress{Provider: domain.PushWeb, Token: endpoint}.Service(), endpoint)
	}
	require.Equal(t, "apns", domain.PushAddress{Provider: domain.PushAPNS, Token: "00"}.Service())
}
