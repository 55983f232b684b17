"""`atomizer analyze`: studies of captured markets. Thin: the work is in `atomizer.analysis`."""

from __future__ import annotations

from pathlib import Path

import click

CHAIN = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(invoke_without_command=True)
@click.option("--export-surface", is_flag=True, help="Fit each chain and print the surface.")
@click.option("--chain", "chains", type=CHAIN, multiple=True, help="Captured chain (CSV); repeatable.")
@click.option("--underlying", help="Only chains of this underlying, such as ETH.")
@click.option("--expiry", help="Only the expiry on this date, YYYYMMDD.")
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.pass_context
def command(
    context: click.Context,
    export_surface: bool,
    chains: tuple[Path, ...],
    underlying: str | None,
    expiry: str | None,
    form: str,
) -> None:
    """Study markets and trades.

    Example: atomizer analyze --export-surface --chain eth.csv --format csv > vol_surface.csv
    """
    if context.invoked_subcommand is not None:
        if export_surface:
            raise click.UsageError("--export-surface stands alone; leave the subcommand out")
        return
    if not export_surface:
        raise click.UsageError("expected a subcommand or --export-surface; see atomizer analyze --help")
    if not chains:
        raise click.UsageError("--export-surface needs at least one --chain FILE")
    from atomizer.analysis.chains import ChainError, load_chain
    from atomizer.analysis.surface import export_csv, export_json, fit_chain

    chosen = [load_chain(path) for path in chains]
    if underlying is not None:
        chosen = [chain for chain in chosen if chain.underlying == underlying.upper()]
    if expiry is not None:
        chosen = [chain for chain in chosen if f"{chain.expiry:%Y%m%d}" == expiry]
    if not chosen:
        raise ChainError("expected at least one chain after --underlying and --expiry, found none")
    fits = [fit_chain(chain) for chain in chosen]
    click.echo(export_csv(fits) if form == "csv" else export_json(fits), nl=False)


@command.command()
@click.option("--chain", "path", type=CHAIN, required=True, help="Captured chain (CSV) of one expiry.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw fit against quotes here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def surface(path: Path, plot: Path | None, as_json: bool) -> None:
    """Fit one chain and say how good the fit is.

    Example: atomizer analyze surface --chain eth.csv --plot eth.png
    """
    import json

    from atomizer.analysis.chains import load_chain
    from atomizer.analysis.surface import fit_chain, plot_fit

    one = fit_chain(load_chain(path))
    summary = one.summary()
    if plot is not None:
        plot_fit(one, plot)
    if as_json:
        click.echo(json.dumps(summary, indent=2))
        return
    svi = " ".join(f"{name}={value:.6g}" for name, value in summary["svi"].items())
    click.echo(f"{summary['underlying']} expiry {summary['expiry']}, {365 * summary['years']:.3f} days")
    click.echo(f"forward          {summary['forward']:.2f} (put-call parity)")
    click.echo(
        f"at the money     {100 * summary['atm_vol']:.2f} % fit, {100 * summary['atm_quote_vol']:.2f} % mids"
    )
    click.echo(f"quotes           {summary['quotes']} two-sided, out of the money")
    click.echo(
        f"inside bid-ask   {100 * summary['inside']:.1f} % fitted, "
        f"{100 * summary['held_out_inside']:.1f} % left out"
    )
    click.echo(f"butterfly        least g {summary['butterfly_minimum']:.4f} on |k| <= 1.5 (0 or more: none)")
    click.echo(f"SVI              {svi}")
    if plot is not None:
        click.echo(f"plot             {plot}")
