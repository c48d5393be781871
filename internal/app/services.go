package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"im/domain"
	"im/routing/broker"
	"im/routing/registry"
	"im/store/postgres"
)

const retryPause = 250 * time.Millisecond

// finalError is an error that a retry cannot resolve, such as a wrong password.
type finalError struct{ error }

// Unwrap is for errors.Is and errors.As.
func (e finalError) Unwrap() error { return e.error }

func isFinal(err error) bool {
	_, ok := errors.AsType[finalError](err)
	return ok
}

// service is a service that a node depends on.
type service struct {
	setting string
	try     func(context.Context) error // reaches it once, and changes nothing in it
}

// reachAll reaches all services at the same time. Its error names each one that is not
// reached. If one fails with a finalError, those that fail too are not retried any more.
func reachAll(ctx context.Context, timeout time.Duration, logger *slog.Logger, services ...service) error {
	hopeless := make(chan struct{})
	stop := sync.OnceFunc(func() { close(hopeless) })
	errs := make([]error, len(services))
	var reaching sync.WaitGroup
	for i, s := range services {
		reaching.Go(func() {
			errs[i] = reach(ctx, hopeless, s.setting, timeout, logger, func(ctx context.Context) error {
				err := s.try(ctx)
				if isFinal(err) {
					stop()
				}
				return err
			})
		})
	}
	reaching.Wait()
	return joined(errs)
}

// joined joins errors in one line.
func joined(errs []error) (all error) {
	for _, err := range errs {
		switch {
		case err == nil:
		case all == nil:
			all = err
		default:
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

// reach calls try until it succeeds, fails with a finalError, timeout has passed, or
// hopeless is closed. Errors name the setting. The first failure is logged.
func reach(
	ctx context.Context, hopeless <-chan struct{}, setting string, timeout time.Duration, logger *slog.Logger, try func(context.Context) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := try(ctx)
	var why error // of the last attempt that timeout did not cut short
	for logged := false; err != nil && !isFinal(err); err = try(ctx) {
		if why == nil || ctx.Err() == nil {
			why = err
		}
		if !logged && ctx.Err() == nil {
			logger.WarnContext(ctx, "dependency unreachable, retrying", "setting", setting, "timeout", timeout, "error", Cause(err))
			logged = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not ready after %s: %w", setting, timeout, Cause(why))
		case <-hopeless:
			return fmt.Errorf("%s: %w", setting, Cause(err))
		case <-time.After(retryPause):
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", setting, Cause(err))
	}
	return nil
}

// Cause returns the driver's error behind an error that is worded for clients. An
// operator needs the former, in one line.
func Cause(err error) error {
	if d, ok := errors.AsType[*domain.Error](err); ok && d.Unwrap() != nil {
		err = d.Unwrap()
	}
	return postgres.Readable(err)
}

// finalUnless returns err as a finalError unless it is temporary.
func finalUnless(err error, temporary bool) error {
	if temporary {
		return err
	}
	return finalError{err}
}

// openRedis connects to Redis, once.
func (n *Node) openRedis(ctx context.Context, address *registry.Address) error {
	client, err := address.Connect(ctx, n.o.Services.Prefix)
	if err != nil {
		_, final := errors.AsType[*registry.SettingError](err)
		return finalUnless(err, !final)
	}
	n.redis = client
	return nil
}

// checkAMQP connects to RabbitMQ, once.
func checkAMQP(ctx context.Context, b *broker.AMQP) error {
	final, err := b.Check(ctx)
	return finalUnless(err, !final)
}
