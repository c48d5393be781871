package domain

// PreferencesPatch changes Preferences; nil keeps a value.
type PreferencesPatch struct {
	Notify   *string // see Preferences.Notify
	Pinned   *bool
	Archived *bool
}

// The values of Preferences.Notify.
const (
	NotifyAll      = "all"
	NotifyMentions = "mentions"
	NotifyNone     = "none"
)

// Check returns ErrInvalid for unknown values.
func (p *PreferencesPatch) Check() error {
	if p.Notify == nil {
		return nil
	}
	switch *p.Notify {
	case NotifyAll, NotifyMentions, NotifyNone:
		return nil
	default:
		return Invalid("/notify", "must be all, mentions or none")
	}
}
