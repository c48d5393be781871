package doctor_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"im/tools/doctor"
)

func TestPush(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"access_token":"a","expires_in":3600}`))
	}))
	defer server.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	account, err := json.Marshal(map[string]string{
		"project_id": "p", "client_email": "e", "token_uri": server.URL, "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "account.json")
	require.NoError(t, os.WriteFile(file, account, 0o600))
	o := settings(t, "postgres://im@127.0.0.1:1/none")
	for _, f := range doctor.Run(t.Context(), o).Findings {
		require.NotEqual(t, "push", f.Area)
	}
	o.Node.Rules.Push.FCMFile = file
	requireStatus(t, doctor.Run(t.Context(), o), doctor.OK, "push", "sign in")
	status = http.StatusBadRequest
	requireStatus(t, doctor.Run(t.Context(), o), doctor.Failure, "push", "sign in")
}
