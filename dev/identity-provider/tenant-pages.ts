import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import { escapeHtml, PAGE_HEADERS, plainPage } from './plain-page.ts';

/** Auth0 signs a person out without asking, so the form sends itself; the button is for want of script. */
export function renderSignOut(ctx: KoaContextWithOIDC, form: string): void {
  const confirmed = form.replace('</form>', '<input type="hidden" name="logout" value="yes"></form>');
  const button = '<button form="op.logoutForm">Sign out</button>';
  show(ctx, plainPage('Signing out', `${confirmed}\n${button}`, true));
}

export function renderSignedOut(ctx: KoaContextWithOIDC): void {
  show(ctx, plainPage('Signed out', '<p>You are signed out of the development tenant.</p>'));
}

export function renderError(ctx: KoaContextWithOIDC, out: ErrorOut, error: Error): void {
  const detail = out.error === 'server_error' ? error.message : (out.error_description ?? '');
  show(
    ctx,
    plainPage('That did not work', `<p><code>${escapeHtml(out.error)}</code> ${escapeHtml(detail)}</p>`),
  );
}

function show(ctx: KoaContextWithOIDC, page: string): void {
  ctx.set(PAGE_HEADERS);
  ctx.body = page;
}
