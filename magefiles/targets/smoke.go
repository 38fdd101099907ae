package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Smoke goes through a running product as its users do.
type Smoke mg.Namespace

// Launch goes on the launch journey: log in, upload, share, public and upload-only links, clean up.
// -url is where the product answers (accounts: ADMIN_EMAIL, ADMIN_PASSWORD,
// VIEWER_EMAIL, VIEWER_PASSWORD); without it the checkout is built and run on
// this machine, with secrets of its own, and removed again.
func (Smoke) Launch(ctx context.Context, url *string, json *bool) error {
	return smoke(ctx, "launch", url, json)
}

// Beta goes on the beta journey: launch, and notes, search both ways, chat, revocation, audit.
// -url as for smoke:launch.
func (Smoke) Beta(ctx context.Context, url *string, json *bool) error {
	return smoke(ctx, "beta", url, json)
}

func smoke(ctx context.Context, journey string, url *string, json *bool) error {
	return run(func(s *pipeline.Suite) error {
		return s.Smoke(ctx, pipeline.SmokeOrder{Journey: journey, URL: value(url), JSON: value(json)})
	})
}
