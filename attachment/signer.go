package attachment

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"im/domain"
)

// The two things that an address can permit.
const (
	toUpload = "upload"
	toRead   = "read"
)

// signer signs the addresses of files that nodes take and serve themselves. All nodes have
// the same key, from the store.
type signer struct {
	store Store

	mu  sync.Mutex
	key []byte
}

func (s *signer) secret(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == nil {
		key, err := s.store.AttachmentSecret(ctx)
		if err != nil {
			return nil, err
		}
		s.key = key
	}
	return s.key, nil
}

// sign returns the signature of an address. It binds what the address permits, its end, and
// everything that was declared of the file.
func (s *signer) sign(ctx context.Context, what string, a domain.Attachment, expires int64) (string, error) {
	key, err := s.secret(ctx)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\n%s\n%d\n%d\n%s\n%x", what, a.ID, expires, a.Size, a.MIME, a.SHA256)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// address returns a signed address below base.
func (s *signer) address(ctx context.Context, what string, a domain.Attachment, base *url.URL, until time.Time) (string, error) {
	expires := until.Unix()
	signature, err := s.sign(ctx, what, a, expires)
	if err != nil {
		return "", err
	}
	at := base.JoinPath(Path, a.ID.String())
	at.RawQuery = url.Values{"expires": {strconv.FormatInt(expires, 10)}, "signature": {signature}}.Encode()
	return at.String(), nil
}

// verify reports whether a query has a signature that is valid now.
func (s *signer) verify(ctx context.Context, what string, a domain.Attachment, query url.Values) (bool, error) {
	expires, _ := strconv.ParseInt(query.Get("expires"), 10, 64) // 0, which is over, for anything else
	if time.Now().Unix() > expires {
		return false, nil
	}
	want, err := s.sign(ctx, what, a, expires)
	if err != nil {
		return false, err
	}
	return hmac.Equal([]byte(want), []byte(query.Get("signature"))), nil
}

// hasSum reports whether a checksum was declared.
func hasSum(a domain.Attachment) bool { return a.SHA256 != [32]byte{} }

// hexSum returns a checksum as it is declared.
func hexSum(sum [32]byte) string { return hex.EncodeToString(sum[:]) }
