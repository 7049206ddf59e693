"""What killed commands left of VMs, before the next one begins."""

from kimchictl.app import App


def finish_deletions(app: App) -> None:
    """Delete what a killed `vm delete` left, and say so."""
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.vms.deletion import finish_deletions

    for sentence in finish_deletions(app.host, app.places.own_state, lambda: template_users(app.templates)):
        app.note(sentence)
