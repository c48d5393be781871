package domain

// PreferencesPatch changes preferences one by one; nil keeps.
type PreferencesPatch struct {
	Notify   *string
	Pinned   *bool
	Archived *bool
}

// Values of Preferences.Notify.
const (
	NotifyAll      = "all"
	NotifyMentions = "mentions"
	NotifyNone     = "none"
)

// Check refuses unknown values.
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
