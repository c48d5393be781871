package pg

import "im/domain"

// KeysetPage returns a page of a list. items are the rows of a query with LIMIT
// limit + 1: an item beyond limit shows that there are more, and is not part of the
// page. key writes the place of an item in the order of the list.
func KeysetPage[T any](items []T, limit int, cursor byte, key func(w *CursorWriter, last T)) domain.Page[T] {
	page := domain.Page[T]{Items: items[:min(limit, len(items))]}
	if page.Items == nil {
		page.Items = []T{}
	}
	if len(items) > limit {
		w := NewCursor(cursor)
		key(w, items[limit-1])
		page.NextCursor = new(w.String())
	}
	return page
}

// ReadTextKeys reads the keys of a cursor that consists of n texts. Without a cursor
// they are empty, which is before all that is stored.
func ReadTextKeys(of byte, cursor string, n int) ([]string, error) {
	keys := make([]string, n)
	if cursor == "" {
		return keys, nil
	}
	r := ReadCursor(of, cursor)
	for i := range keys {
		keys[i] = r.Text()
	}
	return keys, r.Err()
}

// MayRead is the condition of a statement that a conversation exists and may be read: its
// id is $1, $2 says whether a backend reads, and $3 is the user otherwise.
const MayRead = `(EXISTS (SELECT FROM conversations WHERE id = $1)
		AND ($2 OR EXISTS (SELECT FROM members WHERE user_id = $3 AND conversation_id = $1 AND left_seq IS NULL)))`
