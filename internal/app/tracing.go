package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"im/internal/edge"
	"im/internal/tracing"
)

// Tracing says which requests are traced, and where their spans go.
type Tracing struct {
	URL   string  `group:"Operation" name:"trace-url" placeholder:"http://HOST:4318" help:"OpenTelemetry collector that gets traces (OTLP over HTTP, at /v1/traces below this URL). By default OTEL_EXPORTER_OTLP_ENDPOINT; without both there are no traces. Other variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_HEADERS, apply as well."`
	Ratio float64 `group:"Operation" name:"trace-ratio" default:"${trace_ratio}" help:"Share of requests that are traced, 0 to 1. A request of a backend whose header traceparent says so is traced in any case, or is not."`
}

// tracesPath is where a collector takes traces.
const tracesPath = "v1/traces"

// enabled reports whether spans go anywhere.
func (t Tracing) enabled() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	return t.URL != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

func (t Tracing) check() error {
	var errs []error
	if !(t.Ratio >= 0 && t.Ratio <= 1) { // not so for NaN
		errs = append(errs, errors.New("IM_TRACE_RATIO must be 0 to 1"))
	}
	if t.URL != "" {
		if _, err := t.endpoint(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// endpoint returns the URL of a collector that takes traces.
func (t Tracing) endpoint() (string, error) {
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("IM_TRACE_URL must be a URL such as http://127.0.0.1:4318")
	}
	if u.User != nil {
		return "", errors.New("IM_TRACE_URL must not hold a password: set OTEL_EXPORTER_OTLP_HEADERS")
	}
	if strings.HasSuffix(u.Path, "/"+tracesPath) {
		return u.String(), nil
	}
	return u.JoinPath(tracesPath).String(), nil
}

// openTracing returns what begins spans, and stops it: the spans that wait are sent, until the
// context ends. It returns nil, without an error, if there are to be no traces. It does not
// connect: a collector that is away costs nothing but the spans.
func openTracing(ctx context.Context, o Options) (*tracing.Tracer, func(context.Context) error, error) {
	none := func(context.Context) error { return nil }
	if !o.Tracing.enabled() {
		return nil, none, nil
	}
	var options []otlptracehttp.Option
	if o.Tracing.URL != "" {
		endpoint, err := o.Tracing.endpoint()
		if err != nil {
			return nil, none, err
		}
		options = append(options, otlptracehttp.WithEndpointURL(endpoint))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, none, fmt.Errorf("IM_TRACE_URL: %w", err)
	}
	what, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			attribute.String("service.name", "im"), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Name),
		),
		resource.WithFromEnv(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
	)
	if err != nil {
		return nil, none, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(exportErrors(o.Logger))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(what),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Tracing.Ratio))),
	)
	return tracing.New(provider), provider.Shutdown, nil
}

// exportErrors returns what logs that spans could not be sent, now and then.
func exportErrors(logger *slog.Logger) otel.ErrorHandler {
	log := edge.NewRefusals(logger)
	return otel.ErrorHandlerFunc(func(err error) {
		log.Log(context.Background(), "traces", "traces are lost: the collector does not take them", "error", err)
	})
}
