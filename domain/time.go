package domain

import "time"

const timeLayout = `"2006-01-02T15:04:05.000000Z07:00"`

// Time is a moment as the contract writes it: UTC with six digits of fraction.
// PostgreSQL keeps microseconds, so nothing is lost on the way.
type Time struct{ time.Time }

// At returns t in UTC, cut to microseconds.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return t.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(data []byte) error {
	parsed, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(data))
	t.Time = parsed.UTC()
	return err
}

// AppendJSON appends what MarshalJSON returns.
func (t Time) AppendJSON(dst []byte) []byte { return t.UTC().AppendFormat(dst, timeLayout) }
