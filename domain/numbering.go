package domain

import "math/bits"

// numbering counts messages along the seqs of a conversation.
type numbering struct{ blocks []numbered }

// numbered are 64 seqs: which of them are messages, and how many came before.
type numbered struct {
	before  int64
	message uint64
}

const seqsPerBlock = 64

// add notes the next seq.
func (n *numbering) add(seq int64, message bool) {
	for int64(len(n.blocks)) <= seq/seqsPerBlock {
		var next numbered
		if last := len(n.blocks) - 1; last >= 0 {
			next.before = n.blocks[last].before + int64(bits.OnesCount64(n.blocks[last].message))
		}
		n.blocks = append(n.blocks, next)
	}
	if message {
		n.blocks[seq/seqsPerBlock].message |= 1 << (seq % seqsPerBlock)
	}
}

// upTo returns how many of the seqs up to and including seq are messages. The
// seq must have been added, or be 0.
func (n *numbering) upTo(seq int64) int64 {
	if seq <= 0 {
		return 0
	}
	b := n.blocks[seq/seqsPerBlock]
	return b.before + int64(bits.OnesCount64(b.message<<(seqsPerBlock-1-seq%seqsPerBlock)))
}
