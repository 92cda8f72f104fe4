"""Values of every type that are hard to carry, as PostgreSQL's input text; each is cast to its type."""

TYPES = """
create schema other;
create type mood as enum ('happy', 'sad', 'so so');
create type other.mood as enum ('a', 'b');
create type pair as (n int4, t text);
create domain d_int2 as int2;
create domain d_int4 as int4 check (value > 0);
create domain d_int8 as int8;
create domain d_bool as bool;
create domain d_float8 as float8;
create domain d_uuid as uuid;
create domain d_numeric as numeric(8,2);
create domain d_varchar as varchar(20);
create domain d_text as text;
create domain d_domain as d_text;
create domain d_date as date;
create domain d_bytea as bytea;
create domain d_enum as mood;
create domain d_array as int4[];
create domain d_pair as pair;
"""

VALUES: dict[str, list[str]] = {
    # Fixed width: Debezium's own forms are exact.
    "bool": ["t", "f"],
    "int2": ["32767", "-32768"],
    "int4": ["2147483647", "-2147483648"],
    "int8": ["9223372036854775807", "-9223372036854775808"],
    "oid": ["4294967295"],
    "float4": ["1.1", "NaN", "-0", "1e-45", "Infinity"],
    "float8": ["1.1", "NaN", "-0", "5e-324", "-Infinity", "1e23"],
    "uuid": ["6F1C2F0E-3D5B-4C57-9A51-2F3F8D1D3A10"],
    # Numbers.
    "numeric": [
        "0",
        "1.50",
        "-0.0",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e1000",
        "1e-20",
        "12345678901234567890.0123456789",
    ],
    "numeric(12,4)": ["1.5", "-99999999.9999", "NaN"],
    "numeric(5,-2)": ["12345", "-7700"],
    "numeric(3,8)": ["0.00000123"],
    "money": ["1234.56", "-0.01", "92233720368547758.07", "-92233720368547758.08", "1000000"],
    # Text and bytes.
    "text": ["", " a ", "naïve ☃ 𝄞", "__debezium_unavailable_value", "a\nb\t\\", "unchanged"],
    "varchar(10)": ["ab  ", ""],
    "char(4)": ["ab", "", "abcd"],
    '"char"': ["a", "", "\\200"],
    "name": ["abc"],
    "bytea": ["\\x", "\\x00", "\\x01", "\\x00ff10", "\\x01756e"],
    "json": ['{"a": 1,  "a":2, "b":1.10}', "null", '"x"', "123456789012345678901234567.10", "[ ]"],
    "jsonb": ['{"b":1.10,"a":null}', "null", '"x"', "[]"],
    "jsonpath": ["$.a[*] ? (@ > 1)"],
    "tsvector": ["a:1 b:2,3A 'it''s':5", ""],
    "tsquery": ["a & b | !c", "'it''s':*"],
    # Time.
    "date": [
        *("2024-02-29", "1969-12-31", "9999-12-31", "10000-01-01", "5874897-12-31", "infinity", "-infinity"),
        *("1582-10-04", "1582-10-25", "1500-02-28", "1500-03-01", "0001-01-01"),
        *("0001-12-31 BC", "0001-02-29 BC", "0044-03-15 BC", "0101-02-28 BC", "4713-01-01 BC"),
    ],
    "time": ["00:00:00", "12:34:56.123456", "23:59:59.999999", "24:00:00", "12:00:00.5", "01:02:03.000001"],
    "time(3)": ["12:34:56.123", "24:00:00"],
    "time(0)": ["12:34:56"],
    "timetz": ["12:34:56.123456+05:30", "00:30:00+02", "24:00:00+00", "24:00:00-08", "12:00:00.5-15:59:59"],
    "timetz(2)": ["12:34:56.12+05:30"],
    "timestamp": [
        *("2024-02-29 12:34:56.123456", "1970-01-01", "1969-12-31 23:59:59.999999", "infinity", "-infinity"),
        *("0044-03-15 12:00:00.5 BC", "4714-11-24 BC", "1582-10-10 01:02:03", "0001-12-31 23:59:59 BC"),
        *("9999-12-31 23:59:59.999999", "10000-01-01", "294276-12-31 23:59:59.999999"),
    ],
    "timestamp(3)": ["2024-02-29 12:34:56.1", "294276-12-31 23:59:59.999"],
    "timestamp(0)": ["2024-02-29 12:34:56"],
    "timestamptz": [
        *("2024-02-29 12:34:56.123456+01", "1970-01-01+00", "infinity", "-infinity", "0001-01-01+00"),
        *("0044-03-15 12:00:00.5+00 BC", "4714-11-24+00 BC", "1582-10-10 01:02:03+00"),
        *("9999-12-31 23:59:59.999999+00", "10000-01-01+00", "294276-12-31 23:59:59.999999+00"),
    ],
    "timestamptz(3)": ["2024-02-29 12:34:56.1+00"],
    "interval": [
        *("0", "1 year", "-1 year", "1 mon", "2 mons", "1 day", "-1 day", "-178000000 years", "178000000 years"),
        *("1 day -00:00:01", "-1 day 00:00:01", "-1 mon +1 day", "1 mon -1 day", "-1 year 1 mon", "-1 mon 1 day 01:00"),
        *("-1 mons +1 day -00:00:00.000001", "1 year 2 mons 3 days 04:05:06.789", "-00:00:00.1", "100:00:00"),
        *("2147483647:59:59.999999", "00:00:59.999999", "1 mon 00:00:01", "12:30:00.000010"),
    ],
    "interval(2)": ["00:00:01.12"],
    "interval day to second": ["3 days 04:05:06"],
    # Networks, bits, places in the log.
    "inet": ["10.0.0.1", "10.0.0.1/8", "::1", "fe80::1/64"],
    "cidr": ["10.0.0.0/8", "10.0.0.1/32", "::/0"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(1)": ["1", "0"],
    "bit(10)": ["1000000001", "0000000000"],
    "varbit": ["", "0", "0001", "101", "00000000000000001"],
    "varbit(5)": ["00101"],
    "pg_lsn": ["16/B374D848"],
    "xid": ["123"],
    "xid8": ["18446744073709551615"],
    "tid": ["(1,2)"],
    "pg_snapshot": ["10:20:10,14,15"],
    "regclass": ["pg_class"],
    "int2vector": ["1 2 3"],
    # Geometry.
    "point": [
        *("(1,2)", "(1.5,-0)", "(1e15,1e-5)", "(1e14,1e-4)", "(NaN,Infinity)", "(-Infinity,5e-324)"),
        *("(1e23,9007199254740993)", "(0.1,123456789012345.6)", "(1.7976931348623157e308,2.2250738585072014e-308)"),
    ],
    "line": ["{1,2,3}", "{0.1,-1,1e300}"],
    "lseg": ["[(0,0),(1.5,1)]"],
    "box": ["(1,2),(0,-1.5)"],
    "path": ["((0,0),(1,1),(2,0))", "[(0,0),(1,1)]", "((5,5))"],
    "polygon": ["((0,0),(1,1),(2,0))"],
    "circle": ["<(0.1,2),3>"],
    # Ranges.
    "int4range": ["[1,5]", "empty", "(,)", "[3,)"],
    "int8range": ["[1,5]", "empty"],
    "numrange": ["[1.50,2)", "[1,NaN)", "(-Infinity,1.0]"],
    "tsrange": ['["2024-01-01 00:00:00.123456",infinity)'],
    "tstzrange": ['["2024-01-01 00:00:00.123456+03",infinity)', "empty"],
    "daterange": ["[2024-01-01,2024-02-01]", "[0044-03-15 BC,infinity)"],
    "int4multirange": ["{[1,3),[5,8)}", "{}"],
    "int8multirange": ["{[1,3)}"],
    "nummultirange": ["{[1.50,3)}"],
    "tsmultirange": ["{[2024-01-01,2024-01-02)}"],
    "tstzmultirange": ['{["2024-01-01 00:00:00.1+00",infinity)}'],
    "datemultirange": ["{[2024-01-01,2024-02-01)}"],
    # Types that the database makes.
    "mood": ["happy", "so so"],
    "other.mood": ["b"],
    "pair": ['(1,"x y")', "(,)", '(,"a""b\\\\c")'],
    "d_int2": ["-3"],
    "d_int4": ["7"],
    "d_int8": ["9"],
    "d_bool": ["t"],
    "d_float8": ["1.5"],
    "d_uuid": ["6f1c2f0e-3d5b-4c57-9a51-2f3f8d1d3a10"],
    "d_numeric": ["1.5", "NaN"],
    "d_varchar": ["x"],
    "d_domain": ["y"],
    "d_date": ["infinity", "0044-03-15 BC"],
    "d_bytea": ["\\x00ff"],
    "d_enum": ["sad"],
    "d_array": ["{1,NULL}"],
    "d_pair": ["(1,x)"],
    # Arrays.
    "bool[]": ["{t,f,NULL}", "{}"],
    "int2[]": ["{1,NULL}", "[2:3]={1,2}"],
    "int4[]": ["{1,2,NULL}", "{}", "{{1,2},{3,4}}", "[0:1]={5,6}"],
    "int8[]": ["{9223372036854775807}"],
    "oid[]": ["{4294967295}"],
    "float4[]": ["{1.1,NaN,-0,1e20}"],
    "float8[]": ["{1,1.5,NaN,Infinity,1e15,1e-5,5e-324,NULL}"],
    "numeric[]": ["{1.50,NaN,NULL,Infinity}"],
    "numeric(10,2)[]": ["{1.5}"],
    "money[]": ["{1.00,1234.56}"],
    "uuid[]": ["{6f1c2f0e-3d5b-4c57-9a51-2f3f8d1d3a10,NULL}"],
    "text[]": ['{a,"b c",NULL,"NULL","","x\\"y\\\\z"}', "{}", "{{a,b},{c,d}}"],
    "varchar(5)[]": ["{ab}"],
    "char(3)[]": ["{ab}"],
    '"char"[]': ["{a,b}"],
    "name[]": ["{a}"],
    "bytea[]": ['{"\\\\x00ff",NULL}'],
    "json[]": ['{"{\\"a\\": 1}"}'],
    "jsonb[]": ['{"{\\"a\\": 1}","null"}'],
    "date[]": ['{2024-01-01,infinity,"0044-03-15 BC",1582-10-10,NULL}'],
    "time[]": ["{12:34:56.123456,24:00:00}"],
    "timetz[]": ["{12:00:00.5+05:30}"],
    "timestamp[]": ['{"2024-01-01 00:00:00.1",infinity,"0044-03-15 12:00:00 BC"}'],
    "timestamptz[]": ['{"2024-01-01 00:00:00.1+05",-infinity}'],
    "interval[]": ['{"1 mon","-2 days +00:00:01"}'],
    "inet[]": ["{10.0.0.1/8,NULL}"],
    "cidr[]": ["{10.0.0.0/8}"],
    "macaddr[]": ["{08:00:2b:01:02:03}"],
    "bit(3)[]": ["{101,011,NULL}"],
    "varbit[]": ["{1,0001}"],
    "pg_lsn[]": ["{1/2}"],
    "point[]": ['{"(1,2)","(1e20,0.1)"}'],
    "box[]": ["{(1,1),(0,0);(2,2),(1,1)}"],
    "path[]": ['{"((0,0),(1,1))"}'],
    "tsvector[]": ["{\"'a':1\"}"],
    "int4range[]": ['{"[1,3)",empty}'],
    "tstzrange[]": ['{"[\\"2024-01-01 00:00:00+00\\",)"}'],
    "int4multirange[]": ['{"{[1,3)}"}'],
    "mood[]": ['{happy,NULL,"so so"}'],
    "pair[]": ['{"(1,\\"x y\\")",NULL}'],
    "d_int4[]": ["{1,NULL}"],
    "d_numeric[]": ["{1.50}"],
}

WHERE_THERE: dict[str, tuple[str, list[str]]] = {
    "xml": ("libxml", ["<a>b</a>", '<?xml version="1.0" encoding="UTF-8"?><a/>', '<?xml version="1.1"?><a/>', "text"]),
    "xml[]": ("libxml", ["{<a/>}"]),
    "citext": ("citext", ["aBc", ""]),
    "citext[]": ("citext", ["{aB,NULL}"]),
    "cube": ("cube", ["(1, 2),(3, 4.5)"]),
    "hstore": (
        "hstore",
        ['"a"=>"1", "b"=>NULL, "long"=>"x\\"y\\\\z"', "", '"é"=>"1","zz"=>"2","a b"=>", =>"', '""=>""'],
    ),
    "hstore[]": ("hstore", ['{"\\"a\\"=>\\"1\\"",NULL}']),
    "isbn": ("isn", ["978-0-393-04002-9"]),
    "ltree": ("ltree", ["Top.Sci"]),
    "ltree[]": ("ltree", ["{a.b,NULL}"]),
    "vector": ("vector", ["[1,2.5,-3]"]),
    "vector[]": ("vector", ['{"[1,2]"}']),
}
"""Types that a server has only with an extension, or when it was built with a library: what that is, and values."""

LARGE: dict[str, str] = {
    "text": "repeat('x', 9000)",
    "varchar(9500)": "repeat('x', 9000)",
    "char(9000)": "repeat('x', 9000)",
    "bytea": r"decode(repeat('00ff', 4500), 'hex')",
    "numeric": "repeat('7', 30000)::numeric",
    "json": """('{"a": "' || repeat('x', 9000) || '"}')::json""",
    "jsonb": """('{"a": "' || repeat('x', 9000) || '"}')::jsonb""",
    "jsonpath": """('$."' || repeat('x', 9000) || '"')::jsonpath""",
    "varbit": "repeat('01', 40000)::varbit",
    "bit(80000)": "repeat('01', 40000)::bit(80000)",
    "tsvector": "(select string_agg('word' || n, ' ')::tsvector from generate_series(1, 2000) n)",
    "path": "(select ('(' || string_agg('(' || n || ',1)', ',') || ')')::path from generate_series(1, 1000) n)",
    "polygon": "(select ('(' || string_agg('(' || n || ',1)', ',') || ')')::polygon from generate_series(1, 1000) n)",
    "numrange": "numrange(0, repeat('7', 30000)::numeric)",
    "int4multirange": "(select range_agg(int4range(n * 2, n * 2 + 1)) from generate_series(1, 2000) n)",
    "pair": "row(1, repeat('x', 9000))::pair",
    "d_domain": "repeat('x', 9000)",
    "d_bytea": r"decode(repeat('00ff', 4500), 'hex')",
    **{
        f"{kind}[]": f"array_fill({one}::{kind}, array[4500])"
        for kind, one in {
            **dict.fromkeys(("int2", "int4", "int8", "oid", "float4", "float8", "numeric"), "1"),
            **dict.fromkeys(("text", "varchar", "char(3)", "name", "bytea"), "'a'"),
            **dict.fromkeys(("date", "timestamp", "timestamptz"), "'2024-01-01'"),
            **dict.fromkeys(("time", "timetz"), "'12:00'"),
            **dict.fromkeys(("json", "jsonb", "money"), "'1'"),
            **dict.fromkeys(("bit(3)", "varbit"), "'101'"),
            "bool": "true",
            "interval": "'1 day'",
            "uuid": "gen_random_uuid()",
            "inet": "'10.0.0.1'",
            "cidr": "'10.0.0.0/8'",
            "macaddr": "'08:00:2b:01:02:03'",
            "pg_lsn": "'1/2'",
            "point": "'(1,2)'",
            "tsvector": "'a'",
            "int4range": "'[1,2)'",
            "mood": "'sad'",
            "pair": "row(1, 'a')",
            "d_int4": "1",
        }.items()
    },
}
"""For each type that may be stored out of line, an expression for a value of more than 8 kB."""
