--
-- PostgreSQL database dump
--

\restrict UcrjQDodvyKXhKXYbjpYGWJaPVIUYktoDlMx2awIHvPkOflhD76CCkJhOAmG9vN

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: app; Type: SCHEMA; Schema: -; Owner: postgres
--

CREATE SCHEMA app;


ALTER SCHEMA app OWNER TO postgres;

--
-- Name: mood; Type: TYPE; Schema: app; Owner: postgres
--

CREATE TYPE app.mood AS ENUM (
    'ok; really',
    'it''s bad',
    'back\slash\'
);


ALTER TYPE app.mood OWNER TO postgres;

--
-- Name: sum2(integer, integer); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.sum2(integer, b integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ("" > 1) THEN ("" + b)
             ELSE 0
         END AS "case";
 SELECT ("" + b);
END;


ALTER FUNCTION app.sum2(integer, b integer) OWNER TO postgres;

--
-- Name: tags(); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.tags() RETURNS text
    LANGUAGE sql
    AS $_$ SELECT '$$;'::text $_$;


ALTER FUNCTION app.tags() OWNER TO postgres;

--
-- Name: touch(); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  -- it's; fine \! ls
  IF false THEN EXECUTE 'SELECT 1; COPY x FROM PROGRAM ''id'''; END IF;
  RETURN NEW;
END $$;


ALTER FUNCTION app.touch() OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: files; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.files (
    id integer NOT NULL,
    name text DEFAULT 'C:\temp\'::text NOT NULL,
    program text,
    body bytea,
    mood app.mood,
    j jsonb,
    CONSTRAINT files_name_check CHECK ((name <> 'a''b\'::text))
);


ALTER TABLE app.files OWNER TO postgres;

--
-- Name: TABLE files; Type: COMMENT; Schema: app; Owner: postgres
--

COMMENT ON TABLE app.files IS 'a comment; with ''quotes'', $dollars$ and \! a backslash
-- over lines \';


--
-- Name: files_id_seq; Type: SEQUENCE; Schema: app; Owner: postgres
--

CREATE SEQUENCE app.files_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER TABLE app.files_id_seq OWNER TO postgres;

--
-- Name: files_id_seq; Type: SEQUENCE OWNED BY; Schema: app; Owner: postgres
--

ALTER SEQUENCE app.files_id_seq OWNED BY app.files.id;


--
-- Name: mv; Type: MATERIALIZED VIEW; Schema: app; Owner: postgres
--

CREATE MATERIALIZED VIEW app.mv AS
 SELECT count(*) AS count
   FROM app.files
  WITH NO DATA;


ALTER TABLE app.mv OWNER TO postgres;

--
-- Name: v; Type: VIEW; Schema: app; Owner: postgres
--

CREATE VIEW app.v AS
 SELECT files.id,
    files.name,
    (files.j ->> 'a\b'::text) AS ab,
    (files.id - '-1'::integer) AS neg
   FROM app.files
  WHERE (files.name ~ '\d+;'::text);


ALTER TABLE app.v OWNER TO postgres;

--
-- Name: program; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.program (
    id integer,
    "Odd ""Name;" text
);


ALTER TABLE public.program OWNER TO postgres;

--
-- Name: files id; Type: DEFAULT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.files ALTER COLUMN id SET DEFAULT nextval('app.files_id_seq'::regclass);


--
-- Name: 16505; Type: BLOB; Schema: -; Owner: postgres
--

SELECT pg_catalog.lo_create('16505');


ALTER LARGE OBJECT 16505 OWNER TO postgres;

--
-- Data for Name: files; Type: TABLE DATA; Schema: app; Owner: postgres
--

COPY app.files (id, name, program, body, mood, j) FROM stdin;
1	n\\.\n\\! rm\t1	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
2	n\\.\n\\! rm\t2	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
3	n\\.\n\\! rm\t3	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
4	n\\.\n\\! rm\t4	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
5	n\\.\n\\! rm\t5	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
6	n\\.\n\\! rm\t6	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
7	n\\.\n\\! rm\t7	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
8	n\\.\n\\! rm\t8	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
9	n\\.\n\\! rm\t9	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
10	n\\.\n\\! rm\t10	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
11	n\\.\n\\! rm\t11	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
12	n\\.\n\\! rm\t12	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
13	n\\.\n\\! rm\t13	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
14	n\\.\n\\! rm\t14	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
15	n\\.\n\\! rm\t15	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
16	n\\.\n\\! rm\t16	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
17	n\\.\n\\! rm\t17	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
18	n\\.\n\\! rm\t18	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
19	n\\.\n\\! rm\t19	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
20	n\\.\n\\! rm\t20	\\.	\\x005c0a	back\\slash\\	{"a": "\\\\n"}
\.


--
-- Data for Name: program; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.program (id, "Odd ""Name;") FROM stdin;
1	\\.
2	\N
3	
4	-- PostgreSQL database dump complete
\.


--
-- Name: files_id_seq; Type: SEQUENCE SET; Schema: app; Owner: postgres
--

SELECT pg_catalog.setval('app.files_id_seq', 20, true);


--
-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -
--

BEGIN;

SELECT pg_catalog.lo_open('16505', 131072);
SELECT pg_catalog.lowrite(0, '\x6c61726765206f626a656374');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- Name: files files_pkey; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (id);


--
-- Name: files_lower_idx; Type: INDEX; Schema: app; Owner: postgres
--

CREATE INDEX files_lower_idx ON app.files USING btree (lower(name));


--
-- Name: program r; Type: RULE; Schema: public; Owner: postgres
--

CREATE RULE r AS
    ON DELETE TO public.program DO ( INSERT INTO app.files (name)
  VALUES ('gone;'::text);
 SELECT 1 AS "?column?";
);


--
-- Name: files t; Type: TRIGGER; Schema: app; Owner: postgres
--

CREATE TRIGGER t BEFORE INSERT ON app.files FOR EACH ROW EXECUTE FUNCTION app.touch();


--
-- Name: TABLE files; Type: ACL; Schema: app; Owner: postgres
--

GRANT SELECT ON TABLE app.files TO PUBLIC;


--
-- Name: mv; Type: MATERIALIZED VIEW DATA; Schema: app; Owner: postgres
--

REFRESH MATERIALIZED VIEW app.mv;


--
-- PostgreSQL database dump complete
--

\unrestrict UcrjQDodvyKXhKXYbjpYGWJaPVIUYktoDlMx2awIHvPkOflhD76CCkJhOAmG9vN

