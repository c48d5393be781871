package domain

import "slices"

// pin pins a message for everybody, or takes the pin off.
type pin struct {
	about
	limit int // pins
	take  bool
}

var _ MessageCommand = (*pin)(nil)

func (c *pin) Decide(conv *Conversation) ([]Draft, error) {
	role, m, err := c.message(conv)
	if err != nil {
		return nil, err
	}
	_, there := slices.BinarySearch(conv.Pins, c.seq)
	t := MessagePinned
	switch {
	case conv.Kind == Group && !role.Moderates():
		return nil, ErrForbidden.WithMessage("only the owner and admins may pin")
	case there == !c.take:
		return nil, nil
	case c.take:
		t = MessageUnpinned
	case m.Recalled:
		return nil, errRecalled
	case len(conv.Pins) >= c.limit:
		return nil, ErrLimitExceeded.WithMessage("the conversation has as many pins as it may")
	}
	if err := conv.mayPost(c.actor); err != nil && !c.take {
		return nil, err
	}
	d, err := c.event(t, PinBody{TargetSeq: c.seq})
	if err != nil {
		return nil, err
	}
	return []Draft{d}, nil
}
