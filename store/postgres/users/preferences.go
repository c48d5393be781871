package users

import (
	"context"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const preferencesSQL = `
SELECT notify, pinned, archived FROM members WHERE user_id = $1 AND conversation_id = $2 AND left_seq IS NULL`

// Preferences returns the actor's own settings for a conversation. If the actor is not a
// member, the error is ErrNotFound; backends have no preferences.
func (r *Records) Preferences(ctx context.Context, a domain.Actor, id domain.ConversationID) (p domain.Preferences, err error) {
	err = r.db.Read(ctx, func(ctx context.Context) error {
		err := r.db.Pool.QueryRow(ctx, preferencesSQL, string(a.User), id).Scan(&p.Notify, &p.Pinned, &p.Archived)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return p, err
}

const setPreferencesSQL = `SELECT * FROM im_set_preferences_1($1, $2, $3, $4, $5)`

// SetPreferences changes the preferences that want names, and reports whether any
// changed. The next message that is committed afterwards brings an archived conversation
// back.
func (r *Records) SetPreferences(
	ctx context.Context, a domain.Actor, id domain.ConversationID, want domain.PreferencesPatch,
) (p domain.Preferences, changed bool, err error) {
	err = r.db.Read(ctx, func(ctx context.Context) error {
		err := r.db.Pool.QueryRow(ctx, setPreferencesSQL, string(a.User), id, want.Notify, want.Pinned, want.Archived).
			Scan(&p.Notify, &p.Pinned, &p.Archived, &changed)
		if pg.NoRows(err) {
			return domain.ErrNotFound
		}
		return err
	})
	return p, changed, err
}
