package read

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// KeepRecordsFrom lets users with n conversations have a record of unread messages.
func (qs *Queries) KeepRecordsFrom(n int) { qs.unread.from = n }

// SyncBothWays is Sync. In the same snapshot it finds the page among all conversations,
// too, and returns what differs. recent reports whether the record was enough.
func (qs *Queries) SyncBothWays(ctx context.Context, q domain.SyncQuery) (page domain.SyncPage, recent bool, difference string, err error) {
	record := qs.unread.take(q.User)
	var before pg.Snapshot
	if record != nil {
		before = record.at
	}
	var found syncResult
	err = qs.db.LookupTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		page = domain.SyncPage{}
		cursor, err := parseSyncCursor(q.Cursor, q.User)
		if err != nil {
			return err
		}
		same := *cursor
		if same.phase == 0 {
			same.phase, same.within = phaseActivity, pg.LatestActivity()
		}
		all, err := same.findAmongAll(ctx, tx, q)
		if err != nil {
			return err
		}
		if found, err = syncPage(ctx, tx, q, cursor, record, &page); err != nil {
			return err
		}
		recent = record != nil && found.record == record && all.now.String() == record.at.String()
		last := len(all.ids) <= q.Limit
		if !slices.Equal(found.ids, all.ids) || last && (!slices.Equal(found.gone, all.gone) || found.unread != all.unread) {
			difference = fmt.Sprintf("recent %v: %d unread, listed %x, left %x; among all: %d unread, listed %x, left %x; from %v to %v",
				recent, found.unread, found.ids, found.gone, all.unread, all.ids, all.gone, before, all.now)
		}
		return nil
	})
	if err == nil {
		qs.unread.put(q.User, found.record)
	}
	return page, recent, difference, err
}
