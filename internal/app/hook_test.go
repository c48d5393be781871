package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestHookSettings(t *testing.T) {
	good := Hook{URL: "http://10.0.0.1:9000/hook?token=private", Secret: domain.WebhookSecret(make([]byte, 32)), Timeout: time.Second, Fail: "open", InFlight: 64}
	require.NoError(t, good.check())
	require.NoError(t, Hook{}.check(), "there is no hook")
	for name, c := range map[string]struct {
		change func(*Hook)
		want   string
	}{
		"scheme":       {func(h *Hook) { h.URL = "ftp://private/" }, "IM_HOOK_URL"},
		"no host":      {func(h *Hook) { h.URL = "http:///private" }, "IM_HOOK_URL"},
		"not a URL":    {func(h *Hook) { h.URL = "http://private:port/" }, "IM_HOOK_URL"},
		"password":     {func(h *Hook) { h.URL = "http://private:private@host/" }, "IM_HOOK_URL"},
		"fragment":     {func(h *Hook) { h.URL = "http://host/#private" }, "IM_HOOK_URL"},
		"no secret":    {func(h *Hook) { h.Secret = "" }, "IM_HOOK_SECRET"},
		"plain secret": {func(h *Hook) { h.Secret = "private" }, "IM_HOOK_SECRET"},
		"short secret": {func(h *Hook) { h.Secret = "whsec_AAAA" }, "IM_HOOK_SECRET"},
		"no time":      {func(h *Hook) { h.Timeout = 0 }, "IM_HOOK_TIMEOUT"},
		"too long":     {func(h *Hook) { h.Timeout = time.Minute }, "IM_HOOK_TIMEOUT"},
		"no calls":     {func(h *Hook) { h.InFlight = 0 }, "IM_HOOK_IN_FLIGHT"},
	} {
		h := good
		c.change(&h)
		err := h.check()
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "private", name)
	}
}
