// Package domaintest has one in-memory domain.Log for the tests of everything
// that is built on a log: rest, realtime and the domain itself. Only tests
// import it.
//
// Log decides with the real commands on real states (domain.Conversation), so a
// test of an edge sees the events, refusals, duplicates and versions of
// production. What it leaves out is what only a database has: batches, nodes,
// durability. Everything is synchronous: Submit has called done when it returns,
// and the same calls give the same log.
//
//	log := domaintest.NewLog()
//	chat := domain.NewChat(log, domain.DefaultLimits())
//	id, _, err := chat.Create(ctx, alice, domain.Creation{Kind: domain.Group})
//	log.Append(id, domaintest.NewDraft(domain.MemberAdded, "alice", domain.MemberRole{UserID: "bob", Role: domain.RoleMember}))
//	events := log.EventsOf(id)
//
// Methods with a context stand for a service and pass through Intercept, which
// delays them or makes them fail. Methods without one are for the test itself:
// they never fail and never wait. Whatever is returned is a copy.
package domaintest
