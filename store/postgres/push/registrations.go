package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"im/domain"
	"im/store/postgres/feed"
	"im/store/postgres/internal/pg"
)

// Pushes keeps registrations and notifications. It is safe for concurrent use.
type Pushes struct {
	db      *pg.DB
	changes *feed.Changes
}

// New returns the notifications in db.
func New(db *pg.DB, changes *feed.Changes) *Pushes { return &Pushes{db: db, changes: changes} }

// revoked is whether a revocation, that of a ban too, has ended the registration r. It is
// not deleted at once: a revocation must not wait for who plans or sends at the moment.
const revoked = `EXISTS (SELECT FROM revocations v WHERE v.user_id = r.user_id AND v.before > r.issued_at)`

const (
	// Who registers an address waits for others who register the same one.
	lockSQL = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`

	registeredSQL = `
SELECT provider, token, p256dh, auth, ` + revoked + ` FROM push_registrations r WHERE user_id = $1 AND device_id = $2 FOR UPDATE OF r`

	// The revocation of a token that was in use at the same time is seen here, or counts when
	// the registration is read.
	beforeSQL = `SELECT before FROM revocations WHERE user_id = $1`

	updateSQL = `
UPDATE push_registrations SET preview = $3, locale = $4, issued_at = greatest(issued_at, coalesce($5, clock_timestamp()))
WHERE user_id = $1 AND device_id = $2`

	// Another address is another registration: what was sent to the old one stays there. So
	// is one after a revocation.
	replaceSQL = `
DELETE FROM push_registrations r WHERE user_id = $1 AND (device_id = $2 OR ` + revoked + `) OR provider = $3 AND token_hash = $4`

	registerSQL = `
INSERT INTO push_registrations (user_id, device_id, provider, service, token, token_hash, p256dh, auth, preview, locale, issued_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($12, clock_timestamp())
WHERE (SELECT count(*) FROM push_registrations WHERE user_id = $1) < $11
RETURNING true`
)

// registerAttempts is how often a registration is tried that another call of the same device
// is in the way of.
const registerAttempts = 3

// PutPush registers a device of a user. An address that another device has, or another
// user, is taken from it. The error is ErrLimitExceeded if the user has
// domain.MaxPushDevices, and ErrUnauthenticated if the token of the call is revoked.
func (p *Pushes) PutPush(ctx context.Context, r domain.PushRegistration) (err error) {
	for range registerAttempts {
		if err = p.put(ctx, r); !pg.Violates(err, "push_registrations_pkey") {
			break
		}
	}
	if pg.NoRows(err) {
		return domain.ErrLimitExceeded.WithMessage("the user has too many devices with push notifications")
	}
	p.db.ResetIfBroken(err)
	return pg.Translate(err)
}

func (p *Pushes) put(ctx context.Context, r domain.PushRegistration) error {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	return pgx.BeginTxFunc(ctx, p.db.Pool, pgx.TxOptions{BeginQuery: pg.BeginWrite}, func(tx pgx.Tx) error {
		a, user, device := r.Address, string(r.User), string(r.Device)
		if _, err := tx.Exec(ctx, lockSQL, string(a.Provider)+" "+a.Token); err != nil {
			return err
		}
		issued, err := issuedAt(ctx, tx, r)
		if err != nil {
			return err
		}
		var now domain.PushAddress
		var over bool
		err = tx.QueryRow(ctx, registeredSQL, user, device).Scan(&now.Provider, &now.Token, &now.P256DH, &now.Auth, &over)
		switch {
		case err == nil && !over && now.Provider == a.Provider && now.Token == a.Token && bytes.Equal(now.P256DH, a.P256DH) && bytes.Equal(now.Auth, a.Auth):
			_, err = tx.Exec(ctx, updateSQL, user, device, string(r.Preview), r.Locale, issued)
			return err
		case err != nil && !pg.NoRows(err):
			return err
		}
		hash := sha256.Sum256([]byte(a.Token))
		if _, err := tx.Exec(ctx, replaceSQL, user, device, string(a.Provider), hash[:]); err != nil {
			return err
		}
		var made bool
		return tx.QueryRow(ctx, registerSQL, user, device, string(a.Provider), a.Service(), a.Token, hash[:], a.P256DH, a.Auth,
			string(r.Preview), r.Locale, domain.MaxPushDevices, issued).Scan(&made)
	})
}

// issuedAt returns the time that revocations are compared with; null for now. The error is
// ErrUnauthenticated if the token is revoked by now: the body of a call may come long after
// its token was checked.
func issuedAt(ctx context.Context, tx pgx.Tx, r domain.PushRegistration) (at pgtype.Timestamptz, err error) {
	if r.Issued == nil {
		return at, nil
	}
	var before time.Time
	if err = tx.QueryRow(ctx, beforeSQL, string(r.User)).Scan(&before); err != nil && !pg.NoRows(err) {
		return at, err
	}
	if r.Issued.IsZero() {
		at = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	} else {
		at = pgtype.Timestamptz{Time: r.Issued.Time, Valid: true}
	}
	return at, domain.Identity{Issued: *r.Issued}.CheckRevoked(before)
}

const removeSQL = `DELETE FROM push_registrations WHERE user_id = $1 AND device_id = $2`

// RemovePush removes the registration of a device, if there is one, with what the device is
// to be notified of.
func (p *Pushes) RemovePush(ctx context.Context, user domain.UserID, device domain.DeviceID) error {
	return p.exec(ctx, removeSQL, string(user), string(device))
}

const refuseSQL = `DELETE FROM push_registrations WHERE user_id = $1 AND device_id = $2 AND registration_id = $3`

// RemoveRefusedPush removes a registration whose address the provider refuses, unless the
// device has another address by now.
func (p *Pushes) RemoveRefusedPush(ctx context.Context, user domain.UserID, device domain.DeviceID, registration string) error {
	return p.exec(ctx, refuseSQL, string(user), string(device), registration)
}

const oneSQL = `
SELECT registration_id::text, provider, token, p256dh, auth, preview, locale FROM push_registrations r
WHERE user_id = $1 AND device_id = $2 AND NOT ` + revoked

// PushRegistration returns the registration of a device, and its id; ErrNotFound if there is
// none, or only one that a revocation has ended.
func (p *Pushes) PushRegistration(ctx context.Context, user domain.UserID, device domain.DeviceID) (r domain.PushRegistration, id string, err error) {
	r.User, r.Device = user, device
	err = p.db.Read(ctx, func(ctx context.Context) error {
		a := &r.Address
		err := p.db.Pool.QueryRow(ctx, oneSQL, string(user), string(device)).
			Scan(&id, &a.Provider, &a.Token, &a.P256DH, &a.Auth, &r.Preview, &r.Locale)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return r, id, err
}

// exec runs a statement that has the same effect when it runs again.
func (p *Pushes) exec(ctx context.Context, sql string, args ...any) error {
	return p.db.Read(ctx, func(ctx context.Context) error {
		_, err := p.db.Pool.Exec(ctx, sql, args...)
		return err
	})
}
