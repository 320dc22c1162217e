/// What `GET /api/v1/openapi.json` says: the API in the words of OpenAPI 3.1.
enum OpenAPIDocument {
    /// The document, as JSON.
    static let text = #"""
        {
        "openapi": "3.1.0",
        "info": {
        "title": "cistern", "version": "1",
        "summary": "Look at a cistern daemon, and drive its jobs.",
        "description": "Fields and values are added, never changed. Times are RFC 3339 in UTC. A daemon with a token wants it as a bearer token. Without a token a POST wants the header X-Cistern-Request: 1, or to come from the daemon's own page.",
        "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "/", "description": "The daemon that gave this document." }],
        "security": [{ "token": [] }, { "session": [] }, {}],
        "tags": [
        { "name": "status", "description": "What the daemon shows." },
        { "name": "jobs", "description": "Jobs and their runs." },
        { "name": "health", "description": "For those who watch the daemon." }
        ],

        """# + paths + "," + components + "\n}\n"

    private static let paths = #"""
        "paths": {
        "/api/v1/status": { "get": {
        "operationId": "getStatus", "tags": ["status"], "summary": "Everything that the daemon shows.",
        "responses": { "200": { "$ref": "#/components/responses/Status" }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/api/v1/jobs": { "get": {
        "operationId": "listJobs", "tags": ["jobs"], "summary": "All jobs, in the configuration file's order.",
        "responses": { "200": { "$ref": "#/components/responses/Jobs" }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/api/v1/jobs/{name}": {
        "parameters": [{ "$ref": "#/components/parameters/Name" }],
        "get": {
        "operationId": "getJob", "tags": ["jobs"], "summary": "One job.",
        "responses": { "200": { "$ref": "#/components/responses/Job" }, "404": { "$ref": "#/components/responses/Error" }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/api/v1/jobs/{name}/runs": {
        "parameters": [{ "$ref": "#/components/parameters/Name" }],
        "get": {
        "operationId": "listRunsOfJob", "tags": ["jobs"], "summary": "The runs of a job, newest first.",
        "parameters": [{ "$ref": "#/components/parameters/Before" }, { "$ref": "#/components/parameters/Limit" }],
        "responses": { "200": { "$ref": "#/components/responses/Runs" }, "400": { "$ref": "#/components/responses/Error" }, "404": { "$ref": "#/components/responses/Error" }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/api/v1/jobs/{name}/run": {
        "parameters": [{ "$ref": "#/components/parameters/Name" }],
        "post": {
        "operationId": "runJob", "tags": ["jobs"], "summary": "Begins a run as soon as there is room for it.",
        "parameters": [{ "$ref": "#/components/parameters/Proof" }],
        "responses": { "202": { "$ref": "#/components/responses/Job" }, "403": { "$ref": "#/components/responses/Error" }, "404": { "$ref": "#/components/responses/Error" }, "409": { "$ref": "#/components/responses/Error" }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/api/v1/jobs/{name}/pause": {
        "parameters": [{ "$ref": "#/components/parameters/Name" }],
        "post": {
        "operationId": "pauseJob", "tags": ["jobs"], "summary": "Begins no more runs of a job until it is resumed.",
        "parameters": [{ "$ref": "#/components/parameters/Proof" }],
        "responses": { "200": { "$ref": "#/components/responses/Job" }, "403": { "$ref": "#/components/responses/Error" }, "404": { "$ref": "#/components/responses/Error" }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/api/v1/jobs/{name}/resume": {
        "parameters": [{ "$ref": "#/components/parameters/Name" }],
        "post": {
        "operationId": "resumeJob", "tags": ["jobs"], "summary": "Lets a paused job run by its schedule again.",
        "parameters": [{ "$ref": "#/components/parameters/Proof" }],
        "responses": { "200": { "$ref": "#/components/responses/Job" }, "403": { "$ref": "#/components/responses/Error" }, "404": { "$ref": "#/components/responses/Error" }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/api/v1/runs": { "get": {
        "operationId": "listRuns", "tags": ["jobs"], "summary": "The runs of all jobs, newest first.",
        "parameters": [{ "$ref": "#/components/parameters/Before" }, { "$ref": "#/components/parameters/Limit" }],
        "responses": { "200": { "$ref": "#/components/responses/Runs" }, "400": { "$ref": "#/components/responses/Error" }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/api/v1/openapi.json": { "get": {
        "operationId": "getDescription", "tags": ["status"], "summary": "This document.",
        "responses": { "200": { "description": "The document.", "content": { "application/json": { "schema": { "type": "object" } } } }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/metrics": { "get": {
        "operationId": "getMetrics", "tags": ["health"], "summary": "Metrics in the text format of Prometheus.",
        "responses": { "200": { "description": "The metrics.", "content": { "text/plain": { "schema": { "type": "string" } } } }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/healthz": { "get": {
        "operationId": "getHealth", "tags": ["health"], "summary": "Whether the process lives.", "security": [{}],
        "responses": { "200": { "description": "It lives.", "content": { "text/plain": { "schema": { "type": "string" } } } }, "default": { "$ref": "#/components/responses/Error" } } } },
        "/readyz": { "get": {
        "operationId": "getReadiness", "tags": ["health"], "summary": "Whether the daemon can do its work.", "security": [{}],
        "responses": { "200": { "$ref": "#/components/responses/Readiness" }, "503": { "$ref": "#/components/responses/Readiness" }, "default": { "$ref": "#/components/responses/Error" } } } }
        }
        """#

    private static let components = #"""

        "components": {
        "securitySchemes": {
        "token": { "type": "http", "scheme": "bearer", "description": "The token of daemon.http." },
        "session": { "type": "apiKey", "in": "cookie", "name": "cistern_session_8422", "description": "Given by the page's sign-in; its name ends with the daemon's port." }
        },
        "parameters": {
        "Name": { "name": "name", "in": "path", "required": true, "description": "The job's name in the configuration file.", "schema": { "type": "string" } },
        "Before": { "name": "before", "in": "query", "description": "Only runs with a smaller id: the next of the page before.", "schema": { "type": "integer", "format": "int64", "minimum": 1 } },
        "Limit": { "name": "limit", "in": "query", "description": "How many runs at most.", "schema": { "type": "integer", "minimum": 1, "maximum": 500, "default": 50 } },
        "Proof": { "name": "X-Cistern-Request", "in": "header", "description": "Anything: no other site's page can send it. Not needed with a bearer token.", "schema": { "type": "string" }, "example": "1" }
        },
        "responses": {
        "Status": { "description": "The daemon.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Status" } } } },
        "Jobs": { "description": "The jobs.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Jobs" } } } },
        "Job": { "description": "The job, as it is now.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Job" } } } },
        "Runs": { "description": "The runs.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Runs" } } } },
        "Readiness": { "description": "Whether it can, and if not, why.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Readiness" } } } },
        "Error": { "description": "Why not, and what to do.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } } }
        },
        "schemas": {

        """# + OpenAPISchemas.text + "\n}\n}"
}
