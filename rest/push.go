package rest

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"im/domain"
)

// pushDevice returns the device of the path. A token that is bound to a device is for that
// one only.
func (r *request) pushDevice() domain.DeviceID {
	return r.ownDevice(pathValue(r.Request, "device_id"), true)
}

func (h *handler) putPush(w http.ResponseWriter, r *request) error {
	device, body := r.pushDevice(), r.object("provider")
	p := domain.PushRegistration{
		User: r.User, Device: device, Preview: domain.PushPreview(body.text("preview", 0)), Locale: body.text("locale", 0), Issued: r.issued,
		Address: domain.PushAddress{Provider: domain.PushProvider(body.text("provider", 0))},
	}
	p.Address.Token = body.text("token", 0)
	if strings.ContainsFunc(p.Address.Token, func(r rune) bool { return r < '!' || r > '~' }) {
		body.Reject("token", "must be visible ASCII characters")
	}
	subscription, subscribed := body.inside("subscription")
	if subscribed {
		subscription.subscribe(&p.Address)
	}
	web := p.Address.Provider == domain.PushWeb
	switch {
	case !slices.Contains(domain.PushProviders(), p.Address.Provider):
		body.Reject("provider", "must be fcm, apns or webpush")
	case web && !subscribed:
		body.Reject("subscription", "is required")
	case !web && !body.Has("token"):
		body.Reject("token", "is required")
	case subscribed && body.Has("token"):
		body.Reject("provider", "takes either a token or, if it is webpush, a subscription")
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := p.Check(); err != nil {
		return err
	}
	return writeDone(w, h.Push.PutPush(r.Context(), p))
}

// subscribe reads a PushSubscription, as browsers write it in JSON.
func (o object) subscribe(a *domain.PushAddress) {
	a.Token = o.text("endpoint", 0)
	if !o.Has("endpoint") {
		o.Reject("endpoint", "is required")
	}
	_, _ = o.Raw("expirationTime") // the push service says so, when it is over
	keys, given := o.inside("keys")
	if !given {
		o.Reject("keys", "is required")
		return
	}
	a.P256DH, a.Auth = keys.base64("p256dh"), keys.base64("auth")
}

// base64 returns a member that is required, in base64url or base64, with or without padding.
func (o object) base64(name string) []byte {
	if !o.Has(name) {
		o.Reject(name, "is required")
		return nil
	}
	text := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(o.String(name), "="))
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		o.Reject(name, "must be base64url")
	}
	return raw
}

func (h *handler) deletePush(w http.ResponseWriter, r *request) error {
	device := r.pushDevice()
	if err := r.check(); err != nil {
		return err
	}
	return writeDone(w, h.Push.RemovePush(r.Context(), r.User, device))
}

func (h *handler) testPush(w http.ResponseWriter, r *request) error {
	device := r.pushDevice()
	if err := r.check(); err != nil {
		return err
	}
	test, err := h.Push.TestPush(r.Context(), r.User, device)
	return writeResult(w, test, err)
}

func (h *handler) getPush(w http.ResponseWriter, r *request) error {
	if err := r.check(); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, h.Push.PushInfo())
	return nil
}
