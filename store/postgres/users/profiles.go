package users

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const referencedProfilesSQL = `SELECT user_id, name, avatar_url FROM profiles WHERE user_id = ANY ($1::text[])`

// ProfilesOf returns the profiles of the users that a page refers to, without the users
// that have none.
func ProfilesOf(ctx context.Context, db pg.Queryer, referenced *domain.ReferencedUsers) (map[domain.UserID]domain.Profile, error) {
	found := map[domain.UserID]domain.Profile{}
	users := referenced.Users()
	if len(users) == 0 {
		return found, nil
	}
	rows, err := db.Query(ctx, referencedProfilesSQL, pg.Texts(users))
	if err != nil {
		return nil, err
	}
	var user string
	var p domain.Profile
	_, err = pgx.ForEachRow(rows, []any{&user, &p.Name, &p.AvatarURL}, func() error {
		found[domain.UserID(user)] = p
		p = domain.Profile{}
		return nil
	})
	return found, err
}

const profilesSQL = `
SELECT p.user_id, p.name, p.avatar_url, p.metadata::text FROM profiles p
WHERE p.user_id = ANY ($3::text[]) AND ($1 OR p.user_id = $2 OR EXISTS (
	SELECT FROM members own JOIN members other ON other.conversation_id = own.conversation_id
	WHERE own.user_id = $2 AND own.left_seq IS NULL AND other.user_id = p.user_id AND other.left_seq IS NULL
))`

// Users returns the profiles of the users that share a conversation with the actor, and
// the actor's own. A backend may read all profiles.
func (r *Records) Users(
	ctx context.Context, a domain.Actor, users []domain.UserID,
) (found map[domain.UserID]domain.UserProfile, err error) {
	err = r.db.Read(ctx, func(ctx context.Context) error {
		found = map[domain.UserID]domain.UserProfile{}
		rows, err := r.db.Pool.Query(ctx, profilesSQL, a.Backend, string(a.User), pg.Texts(users))
		if err != nil {
			return err
		}
		var user string
		var metadata *string
		var p domain.UserProfile
		_, err = pgx.ForEachRow(rows, []any{&user, &p.Name, &p.AvatarURL, &metadata}, func() error {
			p.Metadata = pg.RawJSON(metadata)
			found[domain.UserID(user)] = p
			p = domain.UserProfile{}
			return nil
		})
		return err
	})
	return found, err
}

const putProfileSQL = `
INSERT INTO profiles (user_id, name, avatar_url, metadata, as_of) VALUES ($1, $2, $3, $4::text::json, now())
ON CONFLICT (user_id) DO UPDATE SET
	name = excluded.name, avatar_url = excluded.avatar_url, metadata = excluded.metadata, as_of = excluded.as_of`

// PutProfile replaces the profile of a user. Tokens that were issued before the call do
// not change it afterwards.
func (r *Records) PutProfile(ctx context.Context, user domain.UserID, p domain.UserProfile) error {
	return r.db.Read(ctx, func(ctx context.Context) error {
		_, err := r.db.Pool.Exec(ctx, putProfileSQL, string(user), p.Name, p.AvatarURL, pg.NullableJSON(p.Metadata))
		return err
	})
}

// A claim that is not in the token leaves the stored value unchanged.
const claimsSQL = `
INSERT INTO profiles AS p (user_id, name, avatar_url, as_of, claims)
SELECT user_id, name, avatar_url, coalesce(issued, now()), claims
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[]) AS c (user_id, name, avatar_url, issued, claims)
ORDER BY user_id COLLATE "C"
ON CONFLICT (user_id) DO UPDATE SET
	name = coalesce(excluded.name, p.name), avatar_url = coalesce(excluded.avatar_url, p.avatar_url),
	as_of = excluded.as_of, claims = excluded.claims
WHERE excluded.as_of >= p.as_of AND excluded.claims IS DISTINCT FROM p.claims`

// Claim stores the profile claims of tokens, unless a newer token or a newer PutProfile
// has been stored. A token without an issue time counts as issued now if its claims
// differ from the ones stored last. If claims has several entries of a user, the last one
// counts.
func (r *Records) Claim(ctx context.Context, claims []domain.ProfileClaims) error {
	claims = slices.Clone(claims)
	slices.SortStableFunc(claims, func(a, b domain.ProfileClaims) int { return cmp.Compare(a.User, b.User) })
	var users []string
	var names, avatars []*string
	var issued []*time.Time
	var hashes [][]byte
	for i, c := range claims {
		if i+1 < len(claims) && claims[i+1].User == c.User {
			continue
		}
		users, names, avatars = append(users, string(c.User)), append(names, c.Name), append(avatars, c.Avatar)
		issued, hashes = append(issued, timeOrNull(c.Issued)), append(hashes, hashOf(c))
	}
	return r.db.Read(ctx, func(ctx context.Context) error {
		_, err := r.db.Pool.Exec(ctx, claimsSQL, users, names, avatars, issued, hashes)
		return err
	})
}

func timeOrNull(t domain.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t.Time
}

// hashOf returns a hash of the claims without their issue time.
func hashOf(c domain.ProfileClaims) []byte {
	text, _ := json.Marshal([]*string{c.Name, c.Avatar}) // strings always marshal
	sum := sha256.Sum256(text)
	return sum[:]
}
