"""People and local programs: EdgeX's v3 REST API, and under `/gateway/api/v1` what EdgeX lacks."""
