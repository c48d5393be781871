package domain

import "time"

const timeLayout = `"2006-01-02T15:04:05.000000Z07:00"`

// Time is a time in the format of the contract: UTC, with microseconds. PostgreSQL
// stores microseconds too, so a stored time is equal to the one that was sent.
type Time struct{ time.Time }

// TimeOf returns t in UTC, truncated to microseconds.
func TimeOf(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return t.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(data []byte) error {
	parsed, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(data))
	t.Time = parsed.UTC()
	return err
}

// AppendJSON appends the time as a JSON string. Since every event has a time, it writes
// digits by hand, which takes a quarter of the time of time.AppendFormat.
func (t Time) AppendJSON(dst []byte) []byte {
	utc := t.UTC()
	year, month, day := utc.Date()
	if year < 0 || year > 9999 {
		return utc.AppendFormat(dst, timeLayout)
	}
	hour, minute, second := utc.Clock()
	dst = appendDigits(append(dst, '"'), year, 4)
	dst = appendDigits(append(dst, '-'), int(month), 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	dst = appendDigits(append(dst, 'T'), hour, 2)
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	dst = appendDigits(append(dst, '.'), utc.Nanosecond()/1000, 6)
	return append(dst, `Z"`...)
}

// appendDigits appends n with leading zeros. Width, at most 6, must be enough for n.
func appendDigits(dst []byte, n, width int) []byte {
	dst = append(dst, "000000"[:width]...)
	for i := len(dst) - 1; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}
