package webhook

import (
	"time"

	"im/domain"
)

// owed is the next step of a lane.
//
//	messages | wait | what follows
//	none     | 0    | nothing is left up to seq
//	none     | > 0  | the lane waits, and goes on with seq
//	some     | 0    | a call; then the next part of the same notification if part is set, else seq is done
type owed struct {
	messages []message
	seq      int64
	wait     time.Duration
	part     bool
}

// prepare returns the next step of a lane, of at most so many messages. It reads right
// before the call what is sent.
func (w *worker) prepare(lane *domain.WebhookLane, target *domain.WebhookTarget, most int) (owed, error) {
	none := owed{seq: max(lane.Head, lane.Next-1)}
	if w.stream {
		list, err := w.d.o.Store.OwedEvents(w.ctx, *lane, most)
		if err != nil || len(list) == 0 {
			return none, err
		}
		return owedOf(list), nil
	}
	switch lane.Track {
	case domain.NotifyTrack:
		return w.prepareNotification(lane, target)
	case domain.ReportTrack:
		report, err := w.d.o.Store.OwedReport(w.ctx, *lane)
		if err != nil || report == nil {
			return none, err
		}
		m, err := messageOfReport(report)
		m.seq = lane.Next
		return owed{messages: []message{m}, seq: lane.Next}, err
	default:
		e, err := w.d.o.Store.OwedEvent(w.ctx, *lane)
		if err != nil || e == nil {
			return none, err
		}
		return owed{messages: []message{messageOf(e)}, seq: e.Seq}, nil
	}
}

// owedOf returns the step that sends events.
func owedOf(list []domain.OwedEvent) owed {
	o := owed{messages: make([]message, len(list)), seq: list[len(list)-1].Seq}
	for i := range list {
		e := &list[i]
		o.messages[i] = messageOf(&e.Event)
		o.messages[i].event, o.messages[i].kind = &e.Event, e.Kind
	}
	return o
}

func (w *worker) prepareNotification(lane *domain.WebhookLane, target *domain.WebhookTarget) (owed, error) {
	n, err := w.d.o.Store.OwedNotification(w.ctx, *lane, target.Recipients, w.d.rules)
	if err != nil {
		return owed{}, err
	}
	w.d.metrics.dropped.Add(float64(n.Dropped))
	if n.Event == nil {
		return owed{seq: n.Seq, wait: n.Wait}, nil
	}
	if err := w.d.o.Store.BeginPart(w.ctx, lane, &n); err != nil {
		return owed{}, err
	}
	w.addDevices(n.Recipients)
	m, err := messageOfNotification(&n)
	m.seq, m.since = n.Seq, n.Event.At.Add(w.d.rules.Delay)
	return owed{messages: []message{m}, seq: n.Seq, part: !n.Last}, err
}

// addDevices says how many devices of the recipients are online, if that is known.
func (w *worker) addDevices(list []domain.NotifyRecipient) {
	if w.d.o.Devices == nil {
		return
	}
	users := make([]domain.UserID, len(list))
	for i, r := range list {
		users[i] = r.UserID
	}
	online, err := w.d.o.Devices.DevicesOnline(w.ctx, users)
	if err != nil {
		return
	}
	for i, user := range users {
		list[i].DevicesOnline = new(online[user])
	}
}
