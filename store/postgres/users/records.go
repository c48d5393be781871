package users

import (
	"im/domain"
	"im/store/postgres/internal/dataload"
	"im/store/postgres/internal/pg"
)

// Options configure Records. All fields are required.
type Options struct {
	// Node is stored in commits.node for the sessions that this node ends. Only the
	// operator reads it.
	Node string
	// Lookups is how many batched queries of each kind may run at once. The kinds are
	// the loaders of Records.
	Lookups int
}

// Records reads and writes the state of users. It is safe for concurrent use. It
// batches the reads that every connecting client makes.
type Records struct {
	db   *pg.DB
	node string

	standings  *dataload.Loader[domain.UserID, domain.Standing]    // StandingOf
	admissions *dataload.Loader[domain.UserID, domain.Admission]   // Admit
	lists      *dataload.Loader[domain.UserID, domain.Memberships] // Memberships
}

// New returns the records of db.
func New(db *pg.DB, o Options) *Records {
	r := &Records{db: db, node: o.Node}
	r.standings = dataload.New(usersPerQuery, o.Lookups, r.readStandings)
	r.admissions = dataload.New(usersPerQuery, o.Lookups, r.readAdmissions)
	r.lists = dataload.New(listsPerQuery, o.Lookups, r.readMemberships)
	return r
}

// Wait returns when no batched query runs any more. Call it before the database is
// closed. No method may be called concurrently.
func (r *Records) Wait() {
	r.standings.Wait()
	r.admissions.Wait()
	r.lists.Wait()
}
