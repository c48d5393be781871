package appendlog

import (
	"context"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	// proposalSQL, and the two below, find out what is known about a message before the hook
	// is called. They look up keys of one conversation.
	proposalSQL = `
SELECT EXISTS (SELECT FROM members m WHERE m.user_id = $2 AND m.conversation_id = $1 AND m.left_seq IS NULL),
	EXISTS (SELECT FROM events e WHERE e.conversation_id = $1 AND e.sender = $2 AND e.client_msg_id = $3)`

	directProposalSQL = `
SELECT EXISTS (SELECT FROM events e WHERE e.conversation_id = c.id AND e.sender = $2 AND e.client_msg_id = $3)
FROM conversations c WHERE c.direct_key = $1`

	editProposalSQL = `
SELECT coalesce(e.client_msg_id, '') FROM events e
WHERE e.conversation_id = $1 AND e.seq = $3 AND e.type = 'message.posted' AND e.sender = $2
	AND EXISTS (SELECT FROM members m WHERE m.user_id = $2 AND m.conversation_id = $1 AND m.left_seq IS NULL)
	AND NOT EXISTS (SELECT FROM message_states s WHERE s.conversation_id = $1 AND s.seq = $3 AND s.recalled_seq IS NOT NULL)`
)

// ProposalState reads what is known about a proposal. It holds no lock: what the state says
// may have changed when the message is appended, and the append checks it again.
func (l *Log) ProposalState(ctx context.Context, p *domain.Proposal) (state domain.ProposalState, err error) {
	err = l.db.Read(ctx, func(ctx context.Context) error {
		state = domain.ProposalState{}
		switch {
		case p.TargetSeq != 0:
			err := l.db.Pool.QueryRow(ctx, editProposalSQL, p.ConversationID, string(p.Sender), p.TargetSeq).Scan(&state.ClientMsgID)
			if pg.NoRows(err) {
				return nil
			}
			state.Permitted = true
			return err
		case p.To != "":
			state.Permitted = true
			err := l.db.Pool.QueryRow(ctx, directProposalSQL, domain.DirectKey(p.Sender, p.To), string(p.Sender), p.ClientMsgID).Scan(&state.Repeated)
			if pg.NoRows(err) { // it will be created
				return nil
			}
			return err
		default:
			return l.db.Pool.QueryRow(ctx, proposalSQL, p.ConversationID, string(p.Sender), p.ClientMsgID).Scan(&state.Permitted, &state.Repeated)
		}
	})
	return state, err
}
