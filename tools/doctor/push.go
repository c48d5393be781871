package doctor

import (
	"context"

	"im/domain"
)

// push signs in to the providers of push notifications that are set up.
func (d *doctor) push(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	results := d.o.Node.Rules.Push.Test(ctx)
	for _, provider := range domain.PushProviders() {
		err, made := results[provider]
		if !made {
			continue
		}
		f := Finding{
			Area: "push", Check: "sign in to " + string(provider), Status: OK, Saw: "the provider takes the credentials", Why: "devices get no notifications by " + string(provider),
			Do: "correct IM_PUSH_FCM_… or IM_PUSH_APNS_…, and let nodes reach the provider (docs/push.md)",
		}
		if err != nil {
			f.Status, f.Saw = Failure, oneLine(err)
		}
		d.add(f)
	}
}
