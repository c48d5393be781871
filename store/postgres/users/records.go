package users

import (
	"time"

	"im/domain"
	"im/store/postgres/internal/dataload"
	"im/store/postgres/internal/pg"
)

// Options configure Records. All fields are required.
type Options struct {
	// Node is the name that commits store as their origin, for the operator.
	Node string
	// Lookups bounds the batched queries of each kind that run at once.
	Lookups int
}

// Records reads and writes the state of users. It is safe for
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
	r.revoked = dataload.New(usersPerQuery, o.Lookups, r.readRevoked)
	r.admissions = dataload.New(usersPerQuery, o.Lookups, r.readAdmissions)
	r.lists = dataload.New(listsPerQuery, o.Lookups, r.readMemberships)
	return r
}

// Wait returns when no batched query runs any more. No method may be called
// concurrently.
func (r *Records) Wait() {
	r.revoked.Wait()
	r.admissions.Wait()
	r.lists.Wait()
}
