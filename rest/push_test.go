package rest

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

const subscription = `{"endpoint":"https://push.example.com/abc","expirationTime":null,"keys":{` +
	`"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg=="}}`

// callPush makes calls of the operations on push notifications that succeed.
func callPush(t *testing.T, s *testServer) {
	t.Helper()
	s.call(t, "alice", "GET", "/v1/push", "").want(t, 200)
	s.call(t, "alice", "PUT", "/v1/devices/phone/push", `{"provider":"fcm","token":"a:b","preview":"none","locale":"pt-BR"}`).want(t, 204)
	s.call(t, "alice", "PUT", "/v1/devices/browser/push", `{"provider":"webpush","subscription":`+subscription+`}`).want(t, 204)
	s.call(t, "alice", "POST", "/v1/devices/phone/push/test", "").want(t, 200)
	s.call(t, "alice", "DELETE", "/v1/devices/phone/push", "").want(t, 204)
	s.call(t, "alice", "POST", "/v1/devices/phone/push/test", "").refused(t, domain.CodeNotFound, "")
}

func TestPushRefuses(t *testing.T) {
	s := newTestServer(t)
	for body, at := range map[string]string{
		`{"token":"a"}`:                                                              "/provider",
		`{"provider":"sms","token":"a"}`:                                             "/provider",
		`{"provider":"fcm"}`:                                                         "/token",
		`{"provider":"fcm","token":""}`:                                              "/token",
		`{"provider":"fcm","token":"a b"}`:                                           "/token",
		`{"provider":"apns","token":"../up"}`:                                        "/token",
		`{"provider":"apns","token":"abc"}`:                                          "/token",
		`{"provider":"fcm","token":"a","subscription":` + subscription + `}`:         "/provider",
		`{"provider":"webpush","subscription":` + subscription + `,"token":"a"}`:     "/provider",
		`{"provider":"fcm","subscription":` + subscription + `}`:                     "/token",
		`{"provider":"fcm","token":"a","preview":"all"}`:                             "/preview",
		`{"provider":"fcm","token":"a","preview":""}`:                                "/preview",
		`{"provider":"fcm","token":"a","locale":"x"}`:                                "/locale",
		`{"provider":"fcm","token":"a","locale":"de\u0000"}`:                         "/locale",
		`{"provider":"fcm","token":"a","other":1}`:                                   "/other",
		`{"provider":"webpush","token":"a"}`:                                         "/subscription",
		`{"provider":"webpush","subscription":{"endpoint":"https://x"}}`:             "/subscription/keys",
		`{"provider":"webpush","subscription":{"keys":{"p256dh":"BA","auth":"AA"}}}`: "/subscription/endpoint",
		`{"provider":"webpush","subscription":{"endpoint":"https://x","keys":{"p256dh":"BA","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}`:  "/subscription/keys/p256dh",
		`{"provider":"webpush","subscription":{"endpoint":"https://x","keys":{"auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}`:                "/subscription/keys/p256dh",
		`{"provider":"webpush","subscription":{"endpoint":"https://x","keys":{"p256dh":"!","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}`:   "/subscription/keys/p256dh",
		`{"provider":"webpush","subscription":{"endpoint":"ftp://x","keys":{"p256dh":"BA","auth":"AA"}}}`:                        "/subscription/endpoint",
		`{"provider":"webpush","subscription":{"endpoint":"https://a:b@x/","keys":{"p256dh":"BA","auth":"AA"}}}`:                 "/subscription/endpoint",
		`{"provider":"webpush","subscription":` + subscription[:len(subscription)-len(`Igg=="}}`)] + `"}}}`:                      "/subscription/keys/auth",
		`{"provider":"webpush","subscription":{"endpoint":"https://x","more":1,"keys":{"p256dh":"BA","auth":"AA","private":1}}}`: "/subscription/more",
	} {
		s.call(t, "alice", "PUT", "/v1/devices/phone/push", body).refused(t, domain.CodeInvalid, at)
	}
	s.call(t, "alice", "PUT", "/v1/devices/a%20b/push", `{"provider":"fcm","token":"a"}`).refused(t, domain.CodeInvalid, "/device_id")
	s.call(t, "alice", "PUT", "/v1/devices/phone/push", `{"provider":"apns","token":"`+apnsToken+`"}`).refused(t, domain.CodeUnavailable, "")
	s.call(t, "alice", "POST", "/v1/devices/phone/push/test", "").refused(t, domain.CodeNotFound, "")
}

const apnsToken = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0"

func (f *fakeBackend) PutPush(_ context.Context, r domain.PushRegistration) error {
	defer f.lock()()
	if r.Address.Provider == domain.PushAPNS {
		return domain.ErrUnavailable.Final()
	}
	if f.pushes == nil {
		f.pushes = map[domain.DeviceID]domain.PushRegistration{}
	}
	f.pushes[r.Device] = r
	return nil
}

func (f *fakeBackend) RemovePush(_ context.Context, _ domain.UserID, device domain.DeviceID) error {
	defer f.lock()()
	delete(f.pushes, device)
	return nil
}

func (f *fakeBackend) TestPush(_ context.Context, _ domain.UserID, device domain.DeviceID) (domain.PushTest, error) {
	defer f.lock()()
	r, known := f.pushes[device]
	if !known {
		return domain.PushTest{}, domain.ErrNotFound
	}
	return domain.PushTest{Provider: r.Address.Provider, Taken: true, Status: 200, Answer: "{}", DurationMS: 1}, nil
}

func (f *fakeBackend) PushInfo() domain.PushInfo {
	return domain.PushInfo{Providers: []domain.PushProvider{domain.PushFCM, domain.PushWeb}, VAPIDPublicKey: "BCVx"}
}

// A registration has the time of issue of the user's token, so that a revocation ends it;
// one that a backend makes for a user has none.
func TestPushIssued(t *testing.T) {
	issued := domain.TimeOf(time.Unix(1_700_000_000, 0))
	backend := newFakeBackend()
	put := func(c caller) *domain.Time {
		t.Helper()
		r := httptest.NewRequest("PUT", "/v1/devices/phone/push", strings.NewReader(`{"provider":"fcm","token":"a"}`))
		r.Header.Set("Content-Type", "application/json")
		r.SetPathValue("device_id", "phone")
		req, err := newRequest(r, c, 1<<20)
		require.NoError(t, err)
		h := &handler{Backend: backend.backend(domain.DefaultLimits())}
		require.NoError(t, h.putPush(httptest.NewRecorder(), req))
		return backend.pushes["phone"].Issued
	}
	user, err := callerOf(domain.Identity{User: "alice", Issued: issued}, nil)
	require.NoError(t, err)
	require.Equal(t, &issued, put(user))
	user, err = callerOf(domain.Identity{User: "alice"}, nil)
	require.NoError(t, err)
	require.Equal(t, &domain.Time{}, put(user), "not the time of the call")
	shop, err := callerOf(domain.Identity{User: "shop", Server: true, Issued: issued}, []string{"alice"})
	require.NoError(t, err)
	require.Nil(t, put(shop))
}
