"""Grafana's dashboards as code: ``python -m grafana.generate`` writes them (docs/dashboards.md)."""
