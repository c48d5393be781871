package users

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const blockSQL = `SELECT im_set_block_1($1, $2, $3, $4)`

// SetBlock sets or lifts a block. The block is effective on every node when SetBlock
// returns: the direct conversation gets a new version, so that no node decides on a
// cached state from before.
func (r *Records) SetBlock(ctx context.Context, by, user domain.UserID, on bool) error {
	return r.db.Read(ctx, func(ctx context.Context) error {
		_, err := r.db.Pool.Exec(ctx, blockSQL, string(by), string(user), domain.DirectKey(by, user), on)
		return err
	})
}

const blocksSQL = `
SELECT blocked, since FROM blocks WHERE blocker = $1 AND blocked > $2 ORDER BY blocked LIMIT $3`

// Blocks lists the users that a user has blocked, in the order of their ids.
func (r *Records) Blocks(ctx context.Context, by domain.UserID, cursor string, limit int) (domain.Page[domain.Block], error) {
	after, err := pg.ReadTextKeys(pg.CursorBlocks, cursor, 1)
	if err != nil {
		return domain.Page[domain.Block]{}, err
	}
	blocks, err := pg.ReadAll(ctx, r.db, scanBlock, blocksSQL, string(by), after[0], limit+1)
	if err != nil {
		return domain.Page[domain.Block]{}, err
	}
	return pg.KeysetPage(blocks, limit, pg.CursorBlocks, func(w *pg.CursorWriter, last domain.Block) {
		w.Text(string(last.UserID))
	}), nil
}

func scanBlock(row pgx.CollectableRow) (b domain.Block, err error) {
	var since time.Time
	err = row.Scan(&b.UserID, &since)
	b.Since = domain.TimeOf(since)
	return b, err
}
