package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"im/domain"
	"im/internal/publicaddr"
	"im/push"
	"im/store/postgres"
)

// Push says when users are notified of messages, and by which providers.
type Push struct {
	Delay time.Duration `default:"5s" help:"Time from a message to its notification: what a device has not acknowledged by then is pushed, and named by message.notify. Acknowledgements are stored within about a second."`

	FCMFile string `name:"fcm-file" placeholder:"FILE" help:"JSON file of the service account that sends by Firebase Cloud Messaging. Empty: no FCM."`
	FCMURL  string `name:"fcm-url" placeholder:"https://HOST" help:"Address of FCM. By default that of Google."`

	APNSKeyFile string `name:"apns-key-file" placeholder:"FILE" help:"File (.p8) of the key that sends by Apple Push Notification service. Empty: no APNs."`
	APNSKeyID   string `name:"apns-key-id" help:"Id of that key: 10 characters."`
	APNSTeamID  string `name:"apns-team-id" help:"Id of the team of that key: 10 characters."`
	APNSTopic   string `name:"apns-topic" help:"Topic of the notifications: the bundle id of the app."`
	APNSURL     string `name:"apns-url" placeholder:"https://HOST" help:"Address of APNs. By default that for apps of the App Store; https://api.sandbox.push.apple.com is for those that are in development."`

	VAPIDKey     string `name:"vapid-key" secret:"" help:"Private key that identifies the app to push services of browsers: 32 bytes in base64url. Empty: no Web Push."`
	VAPIDSubject string `name:"vapid-subject" placeholder:"mailto:ADDRESS" help:"Where push services reach the operator: mailto: or https:. It is required with --push-vapid-key."`

	Allow []string `placeholder:"CIDR" help:"Addresses and networks that endpoints of Web Push may be in though they are not public, such as 10.0.0.0/8. Every user can make nodes call them."`
}

// maxPushDelay leaves time for attempts: a notification is dropped after 10 minutes.
const maxPushDelay = 5 * time.Minute

// check validates what no tag can describe.
func (p Push) check() error {
	var err error
	if p.Delay <= 0 || p.Delay > maxPushDelay {
		err = errors.New("IM_PUSH_DELAY must be above 0 and at most 5m")
	}
	_, errAllow := p.allowed()
	_, errs := p.senders(publicaddr.Guard{})
	return errors.Join(err, errAllow, errs)
}

func (p Push) allowed() ([]netip.Prefix, error) {
	allowed, err := publicaddr.Parse(p.Allow)
	if err != nil {
		return nil, fmt.Errorf("IM_PUSH_ALLOW: %w", err)
	}
	return allowed, nil
}

// senders returns the providers that are set up. The error names the setting, and contains
// no secret.
func (p Push) senders(guard publicaddr.Guard) (map[domain.PushProvider]push.Sender, error) {
	senders, errs := map[domain.PushProvider]push.Sender{}, []error{}
	for name, address := range map[string]string{"IM_PUSH_FCM_URL": p.FCMURL, "IM_PUSH_APNS_URL": p.APNSURL} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			errs = append(errs, fmt.Errorf("%s must begin with https:// and a host", name))
		}
	}
	if p.FCMFile != "" {
		fcm, err := push.NewFCM(p.FCMFile, p.FCMURL)
		if err != nil {
			errs = append(errs, fmt.Errorf("IM_PUSH_FCM_FILE: %w", err))
		}
		senders[domain.PushFCM] = fcm
	}
	switch {
	case p.APNSKeyFile == "" && p.APNSKeyID+p.APNSTeamID+p.APNSTopic == "":
	case p.APNSKeyFile == "" || p.APNSKeyID == "" || p.APNSTeamID == "" || p.APNSTopic == "":
		errs = append(errs, errors.New("IM_PUSH_APNS_KEY_FILE, IM_PUSH_APNS_KEY_ID, IM_PUSH_APNS_TEAM_ID and IM_PUSH_APNS_TOPIC belong together: set all or none"))
	default:
		apns, err := push.NewAPNS(push.APNSOptions{KeyFile: p.APNSKeyFile, KeyID: p.APNSKeyID, TeamID: p.APNSTeamID, Topic: p.APNSTopic, URL: p.APNSURL})
		if err != nil {
			errs = append(errs, fmt.Errorf("IM_PUSH_APNS_KEY_FILE: %w", err))
		}
		senders[domain.PushAPNS] = apns
	}
	switch {
	case p.VAPIDKey == "" && p.VAPIDSubject == "":
	case p.VAPIDKey == "" || p.VAPIDSubject == "":
		errs = append(errs, errors.New("IM_PUSH_VAPID_KEY and IM_PUSH_VAPID_SUBJECT belong together: set both or none"))
	default:
		web, err := push.NewWebPush(push.VAPID{Key: p.VAPIDKey, Subject: p.VAPIDSubject}, guard)
		if err != nil {
			errs = append(errs, fmt.Errorf("IM_PUSH_VAPID_KEY, IM_PUSH_VAPID_SUBJECT: %w", err))
		}
		senders[domain.PushWeb] = web
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return senders, nil
}

// openPush returns the sender of push notifications. Web Push may not call what webhooks may:
// those are made by backends, endpoints are named by users.
func (n *Node) openPush() (*push.Pusher, error) {
	allowed, err := n.o.Rules.Push.allowed()
	if err != nil {
		return nil, err
	}
	senders, err := n.o.Rules.Push.senders(publicaddr.Guard{Allowed: allowed})
	if err != nil {
		return nil, err
	}
	return push.New(push.Options{
		Store: n.store, Senders: senders, Allow: allowed, Delay: n.o.Rules.Push.Delay,
		Logger: n.o.Logger.With("component", "push"), Metrics: n.metrics,
	}), nil
}

// positions is the store. What users have read, it also tells to the sender of push
// notifications.
type positions struct {
	*postgres.Store

	push *push.Pusher
}

// MarkRead implements presence.Positions.
func (p positions) MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error) {
	state, err := p.Store.MarkRead(ctx, a, id, seq)
	if err == nil {
		p.push.Read(a.User, id, state.ReadSeq)
	}
	return state, err
}

// Test signs in to each provider that is set up and has something to sign in to, as a node
// does, and returns the results by provider. It is for programs that examine settings, which
// check must have accepted.
func (p Push) Test(ctx context.Context) map[domain.PushProvider]error {
	senders, err := p.senders(publicaddr.Guard{})
	if err != nil {
		return nil
	}
	results := map[domain.PushProvider]error{}
	for provider, sender := range senders {
		if checked, ok := sender.(interface{ Check(context.Context) error }); ok {
			results[provider] = checked.Check(ctx)
		}
		sender.Close()
	}
	return results
}
