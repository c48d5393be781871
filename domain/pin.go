package domain

import "slices"

// pin is the command that pins a message, or removes the pin.
type pin struct {
	messageBase
	limit  int // Limits.Pins
	remove bool
}

var _ MessageCommand = (*pin)(nil)

func (c *pin) Decide(conv *Conversation) ([]Draft, error) {
	role, m, err := c.message(conv)
	if err != nil {
		return nil, err
	}
	_, pinned := slices.BinarySearch(conv.Pins, c.seq)
	t := MessagePinned
	switch {
	case conv.Kind == Group && !role.Moderates():
		return nil, ErrForbidden.WithMessage("only the owner and admins may pin")
	case pinned == !c.remove:
		return nil, nil
	case c.remove:
		t = MessageUnpinned
	case m.Recalled:
		return nil, errRecalled
	case len(conv.Pins) >= c.limit:
		return nil, ErrLimitExceeded.WithMessage("the conversation has the maximum number of pins")
	}
	if err := conv.mayPost(c.actor); err != nil && !c.remove {
		return nil, err
	}
	d, err := c.event(t, PinBody{TargetSeq: c.seq})
	if err != nil {
		return nil, err
	}
	return []Draft{d}, nil
}
