package attachments

// The statements that the sweeps of all nodes run every second.
const (
	OrphansSQL = orphansSQL
	ClaimSQL   = claimSQL
)
