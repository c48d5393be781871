package users

import (
	"time"

	"im/domain"
	"im/store/postgres/internal/dataload"
	"im/store/postgres/internal/pg"
)

// Options configure Records. All fields are required.
type Options struct {
	// Node is noted beside every commit, for the operator.
	Node string
	// Lookups bounds the batched queries of each kind that run at once.
	Lookups int
}

// Records reads and writes what belongs to users and not to the log. It is safe for
// concurrent use.
type Records struct {
	db   *pg.DB
	node string

	revoked    *dataload.Loader[domain.UserID, time.Time]          // RevokedBefore
	admissions *dataload.Loader[domain.UserID, domain.Admission]   // Admit
	lists      *dataload.Loader[domain.UserID, domain.Memberships] // Memberships
}

// New returns the records of db.
func New(db *pg.DB, o Options) *Records {
	r := &Records{db: db, node: o.Node}
	r.revoked = dataload.New(usersAtOnce, o.Lookups, r.revokedOne, r.revokedAll)
	r.admissions = dataload.New(usersAtOnce, o.Lookups, r.admitOne, r.admitAll)
	r.lists = dataload.New(listsAtOnce, o.Lookups, r.membershipsOne, r.membershipsAll)
	return r
}

// Wait returns when no batched query runs any more. No method may be called
// concurrently.
func (r *Records) Wait() {
	r.revoked.Wait()
	r.admissions.Wait()
	r.lists.Wait()
}
