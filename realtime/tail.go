package realtime

import (
	"context"
	"errors"
	"time"

	"im/domain"
)

// tail reads the feed at every tick, and at once when something hints at a new
// epoch. An error keeps the position.
func (h *Hub) tail(ctx context.Context) {
	ticker := time.NewTicker(h.o.Tail)
	defer ticker.Stop()
	var position domain.FeedPosition
	failing := false
	for {
		h.retry()
		next, err := h.readFeed(ctx, position)
		if err == nil {
			position = next
		}
		if ctx.Err() != nil {
			return
		}
		if failed := err != nil; failed != failing {
			failing = failed
			h.o.Logger.Warn("reading the feed of commits", "failing", failing, "error", err)
		}
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

// readFeed reads on from the position, and returns the new one. In a new epoch,
// or when the feed does not reach back to the position any more (the node stood
// still for hours), everything begins anew from there.
func (h *Hub) readFeed(ctx context.Context, position domain.FeedPosition) (domain.FeedPosition, error) {
	page, err := h.readFeedPage(ctx, position)
	reason := closeEpoch
	if errors.Is(err, domain.ErrCursorInvalid) {
		reason = closeOverloaded
		page, err = h.readFeedPage(ctx, "")
	}
	switch {
	case err != nil:
		return position, err
	case reason == closeOverloaded, page.Epoch != h.currentEpoch():
		h.beginAnew(page.Epoch, reason)
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

// observe compares a head of the feed with what was pushed. Changes of
// membership that were not pushed from here are read for the local users.
func (h *Hub) observe(head domain.FeedHead) {
	sh := h.shard(head.ConversationID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[head.ConversationID]
	if e == nil {
		if !head.Membership || h.users.empty() {
			return
		}
		e = sh.track(head.ConversationID, head.First-1)
	}
	e.target = max(e.target, head.Head)
	if head.Membership && head.First <= e.began && (e.unread == 0 || head.First < e.unread) {
		e.unread = head.First
	}
	h.settle(sh, e)
}

// beginAnew drops everything that is known, and ends all sessions.
func (h *Hub) beginAnew(epoch string, reason closeCode) {
	h.epochMu.Lock()
	defer h.epochMu.Unlock()
	if h.epoch != "" {
		h.o.Logger.Warn("all sessions begin anew", "epoch", epoch, "reason", reason.String())
	}
	sessions := h.users.clear()
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		clear(sh.entries)
		sh.mu.Unlock()
	}
	switch {
	case epoch == "" && h.epoch != "":
		h.begun = make(chan struct{})
	case epoch != "" && h.epoch == "":
		close(h.begun)
	}
	h.epoch = epoch
	for _, s := range sessions {
		s.out.end(reason)
	}
}
