package domain

import "math/bits"

// messageCounter counts the messages of a conversation up to any seq. It takes two
// bits for each seq: each block has one bit for each of its seqs, set for messages, and the
// number of messages in all blocks before it.
type messageCounter struct{ blocks []countBlock }

// countBlock is the part of a messageCounter for seqsPerBlock seqs.
type countBlock struct {
	before   int64  // messages in earlier blocks
	messages uint64 // bit i: the seq with remainder i is a message
}

const seqsPerBlock = 64

// add adds the next seq. Seqs are added in ascending order.
func (n *messageCounter) add(seq int64, message bool) {
	for int64(len(n.blocks)) <= seq/seqsPerBlock {
		var next countBlock
		if last := len(n.blocks) - 1; last >= 0 {
			next.before = n.blocks[last].before + int64(bits.OnesCount64(n.blocks[last].messages))
		}
		n.blocks = append(n.blocks, next)
	}
	if message {
		n.blocks[seq/seqsPerBlock].messages |= 1 << (seq % seqsPerBlock)
	}
}

// upTo returns the number of messages among the seqs up to and including seq, which
// must have been added, or be 0.
func (n *messageCounter) upTo(seq int64) int64 {
	if seq <= 0 {
		return 0
	}
	b := n.blocks[seq/seqsPerBlock]
	return b.before + int64(bits.OnesCount64(b.messages<<(seqsPerBlock-1-seq%seqsPerBlock)))
}
