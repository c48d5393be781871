// Package imtest is an in-memory server for tests of clients. It speaks the frames
// and the REST calls of the contract, in one process, without a database.
//
//	server := imtest.New() // or imtest.NewServer(t), which closes itself
//	defer server.Close()
//	id := server.NewConversation("alice", "bob")
//	server.Post(id, "bob", "hello")
//
// A token is the name of its user. The server checks who is a member, and little
// else: it does not replace a test against a real node where a rule matters.
//
// A test makes the server misbehave with Server.Set, within what the contract lets
// a server or a network do.
package imtest
