package doctor

import (
	"context"

	"im/internal/app"
)

// hook asks the endpoint of the hook, as nodes do, if there is one.
func (d *doctor) hook(ctx context.Context) {
	settings := d.o.Node.Rules.Hook
	if settings.URL == "" || app.Check(d.o.Node) != nil {
		return
	}
	f := Finding{Area: "hook", Check: "answer", Status: OK, Saw: "the endpoint answers", Why: "messages are accepted without its decision (IM_HOOK_FAIL=open)"}
	if settings.Fail == "closed" {
		f.Why = "no user can send messages (IM_HOOK_FAIL=closed)"
	}
	if err := settings.Test(ctx); err != nil {
		f.Status, f.Saw = Failure, "a call of the type hook.test failed: "+err.Error()
		f.Do = "let the endpoint answer {\"action\":\"accept\"} to types that it does not know; or correct IM_HOOK_URL, IM_HOOK_SECRET or IM_HOOK_TIMEOUT"
	}
	d.add(f)
}
