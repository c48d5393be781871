// Package gate stands between those who ask and the nodes' edges: it has tokens
// judged, and passes on what they say of their users' profiles. Only cmd/im wires
// it; rest and realtime see it as their judge of tokens.
//
// It refuses calls with tokens that were revoked, by what was true a second ago at
// most. Of sessions package realtime sees to that, which reads what is revoked with
// the rest of what a session needs.
//
// It promises that noting a profile never delays a call, and is bounded (I9):
// claims that were noted before cost a look into a map, others are gathered and
// written behind. What is lost is noted again with the user's next token.
package gate
