package hub

import (
	"context"
	"errors"
	"time"

	"im/domain"
	"im/realtime/wire"
)

// tail reads the commit feed at every tick, and at once when there is a hint at
// a new epoch. After an error it reads from the same position again.
func (h *Hub) tail(ctx context.Context) {
	ticker := time.NewTicker(h.o.Tail)
	defer ticker.Stop()
	var position domain.FeedPosition
	failing := false
	for {
		h.retryStalled()
		began := time.Now()
		next, err := h.readFeed(ctx, position)
		if err == nil {
			position = next
			h.metrics.tailed.Inc()
			h.metrics.tail.Observe(time.Since(began).Seconds())
			h.metrics.lastTail.Store(time.Now().UnixNano())
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h.metrics.tailFail.Inc()
		}
		switch failed := err != nil; {
		case failed && !failing:
			h.o.Logger.Warn("commit feed not readable, retrying", "error", err)
		case failing && !failed:
			h.o.Logger.Info("commit feed readable again")
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-h.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (h *Hub) readFeedSoon() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// readFeed reads on from a position and returns the next one. It resets the hub
// in a new epoch, and when the feed no longer reaches back to the position, as
// after a pause of hours.
func (h *Hub) readFeed(ctx context.Context, position domain.FeedPosition) (domain.FeedPosition, error) {
	page, err := h.readFeedPage(ctx, position)
	reason := wire.CloseEpoch
	if errors.Is(err, domain.ErrCursorInvalid) {
		reason = wire.CloseOverloaded
		page, err = h.readFeedPage(ctx, "")
	}
	switch {
	case err != nil:
		return position, err
	case reason == wire.CloseOverloaded, page.Epoch != h.currentEpoch():
		h.reset(page.Epoch, reason)
		return page.Position, nil
	}
	for _, head := range page.Heads {
		h.observe(head)
	}
	for _, sig := range page.Ends {
		h.Signal(sig)
	}
	return page.Position, nil
}

func (h *Hub) readFeedPage(ctx context.Context, position domain.FeedPosition) (domain.FeedPage, error) {
	ctx, cancel := context.WithTimeout(ctx, h.o.Timeout)
	defer cancel()
	return h.o.Log.Feed(ctx, position)
}

// observe compares a head of the feed with what was pushed. If it names changes
// of membership that the hub has not applied, they are read.
func (h *Hub) observe(head domain.FeedHead) {
	sh := h.shard(head.ConversationID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	v := sh.conversations[head.ConversationID]
	if v == nil {
		if !head.Membership || h.users.empty() {
			return
		}
		v = sh.track(head.ConversationID, head.First-1)
	}
	v.head = max(v.head, head.Head)
	if head.Membership && head.First <= v.base && (v.recheck == 0 || head.First < v.recheck) {
		v.recheck = head.First
	}
	h.schedule(sh, v)
}

// reset empties the index and ends all sessions. epoch is "" if the new one is
// not known yet.
func (h *Hub) reset(epoch string, reason wire.CloseCode) {
	h.epochMu.Lock()
	defer h.epochMu.Unlock()
	if h.epoch != "" {
		if reason == wire.CloseEpoch {
			h.metrics.epochs.Inc()
		}
		h.o.Logger.Warn("all sessions ended", "reason", reason.String(), "epoch", epoch)
	}
	sessions := h.users.clear()
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		clear(sh.conversations)
		sh.mu.Unlock()
	}
	switch {
	case epoch == "" && h.epoch != "":
		h.known = make(chan struct{})
	case epoch != "" && h.epoch == "":
		close(h.known)
	}
	h.epoch = epoch
	for _, s := range sessions {
		s.Queue.Close(reason)
	}
}
