"""A made city: programs with names as programs have them, and what people type to find them. The same from one seed.

Brands are made of syllables and characters, most names of a brand and of what it sells; some brands have branches in
many cities. Use is spread as it is in life: a few are used by everybody, most by hardly anybody.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from actors.projections.search import Listed, Query

_HAN = (
    "瑞幸星安和佳美乐康福顺达通宝金银玉华东南西北中大小新老天地山水云海江河湖春夏秋冬花草木林森田园家庭院里香甜"
    "味鲜食客来聚满堂红白青蓝紫黑明光亮日月风雷雨雪龙凤虎马牛羊鸡鱼鸟燕鹰鹤梅兰竹菊桃李杏柳松柏德仁义礼智信诚"
    "万千百一二三四五六七八九十同方正平长永久兴旺发财利丰盛隆昌泰裕恒源祥瑞吉庆喜悦欢心意情缘爱友朋邻居士子女"
    "童年少壮学思文书画诗琴棋茶酒饭面米油盐酱醋糖果蔬肉蛋奶豆瓜菜汤粥饼糕点包饺"
)
_SOLD = {
    "drinks": "咖啡 coffee 奶茶 tea 果汁 juice",
    "food": "面馆 noodles 火锅 hotpot 烧烤 grill 饺子 dumplings 早餐 breakfast 小吃 snacks 蛋糕 bakery",
    "shops": "便利店 store 超市 market 服装 fashion 鞋店 shoes 书店 books 花店 flowers",
    "health": "药房 pharmacy 医院 clinic 口腔 dental",
    "sport": "健身 gym 瑜伽 yoga 游泳 swim",
    "travel": "单车 bike 打车 taxi 停车 parking 酒店 hotel",
    "leisure": "电影 cinema 小游戏 game",
    "beauty": "美发 hair 美甲 nails",
    "home": "洗衣 laundry 家政 cleaning 维修 repair 快递 parcel",
    "learning": "教育 school 英语 english",
}
"""What programs of each category sell, in Chinese and English by turns."""
_GOODS = tuple(
    (han, latin, category)
    for category, sold in _SOLD.items()
    for han, latin in zip(*[iter(sold.split())] * 2, strict=True)
)
_CITIES = (
    *("上海", "北京", "广州", "深圳", "成都", "杭州", "武汉", "重庆", "西安", "南京", "苏州", "天津", "长沙", "郑州"),
    *("青岛", "厦门", "昆明", "大连", "宁波", "福州", "济南", "合肥", "沈阳", "无锡", "南昌", "贵阳", "南宁", "太原"),
    *("长春", "海口", "兰州", "银川", "西宁", "拉萨", "温州", "泉州", "珠海", "东莞", "佛山", "中山", "烟台", "徐州"),
)
_ONSETS = ("b", "ch", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "sh", "t", "v", "w", "y", "z", "st")
_RIMES = ("a", "ai", "an", "ang", "e", "ei", "en", "i", "in", "o", "ou", "u", "un", "er", "ock", "uck")
_SEED = 5
_BRANDS = 400_000
_CITY_DEGREES = 0.2


class Typed(NamedTuple):
    """A query, and what sort of typing it stands for."""

    sort: str
    query: Query


def programs(count: int) -> Iterator[Listed]:
    """So many programs; the first of more are the same ones."""
    draw = random.Random(_SEED)
    homes = {city: (draw.uniform(20, 45), draw.uniform(90, 125)) for city in _CITIES}
    for number in range(count):
        city = _CITIES[min(int(draw.expovariate(0.12)), len(_CITIES) - 1)]
        name, aliases, category = _name(draw, city)
        latitude, longitude = homes[city]
        yield Listed(
            program=f"p{number}",
            name=name,
            aliases=aliases,
            category=category,
            city=city,
            position=(draw.gauss(latitude, _CITY_DEGREES), draw.gauss(longitude, _CITY_DEGREES)),
            uses=int(draw.paretovariate(0.6)) % 1_000_000_000,
        )


def _name(draw: random.Random, city: str) -> tuple[str, tuple[str, ...], str]:
    """A name, its other names and its category. Most are Chinese, some Latin, some both."""
    han_goods, latin_goods, category = draw.choice(_GOODS)
    brand = _brand(draw)
    han, latin = _han_brand(brand), _latin_brand(brand)
    sort = draw.random()
    if sort < 0.55:
        return f"{han}{han_goods}{f'{city}店' if draw.random() < 0.2 else ''}", (), category
    if sort < 0.8:
        return f"{latin.title()} {latin_goods.title()}", (), category
    return f"{han}{han_goods}", (f"{latin} {latin_goods}",), category


def _brand(draw: random.Random) -> random.Random:
    """What makes the names of one of the brands: of the first ones there are most branches."""
    return random.Random(int(draw.triangular(0, _BRANDS, 0)))


def _han_brand(draw: random.Random) -> str:
    return "".join(draw.choice(_HAN) for _ in range(draw.choice((2, 2, 2, 3, 3, 4))))


def _latin_brand(draw: random.Random) -> str:
    return "".join(draw.choice(_ONSETS) + draw.choice(_RIMES) for _ in range(draw.choice((2, 2, 3))))


def typed(listed: list[Listed], count: int) -> list[Typed]:
    """So many queries for these programs, of every sort in turn."""
    draw = random.Random(_SEED + 1)
    sorts = tuple(_SORTS.items())
    queries: list[Typed] = []
    for number in range(count):
        sort, make = sorts[number % len(sorts)]
        queries.append(Typed(sort, make(draw, draw.choice(listed))))
    draw.shuffle(queries)
    return queries


def _han_of(draw: random.Random, listed: Listed) -> str:
    """The Chinese in its name, or another brand's."""
    return "".join(letter for letter in listed.name if letter > "\u3000") or _han_brand(_brand(draw))


def _latin_of(draw: random.Random, listed: Listed) -> str:
    """The first Latin word of its names, or another brand's."""
    named = (*listed.aliases, listed.name)[0]
    return named.split()[0].lower() if named.isascii() else _latin_brand(_brand(draw))


def _part(draw: random.Random, text: str, size_max: int) -> str:
    start = draw.randrange(len(text))
    return text[start : start + draw.randint(1, size_max)]


def _chinese(draw: random.Random, listed: Listed) -> Query:
    return Query(_part(draw, _han_of(draw, listed), 4))


def _chinese_slip(draw: random.Random, listed: Listed) -> Query:
    text = _han_of(draw, listed)[:5]
    place = draw.randrange(len(text))
    return Query(text[:place] + draw.choice(_HAN) + text[place + 1 :])


def _prefix(draw: random.Random, listed: Listed) -> Query:
    word = _latin_of(draw, listed)
    return Query(word[: draw.randint(1, len(word))])


def _latin_slip(draw: random.Random, listed: Listed) -> Query:
    word = _latin_of(draw, listed)
    place = draw.randrange(1, len(word) - 1)
    return Query(draw.choice((word[:place] + word[place + 1 :], word[:place] + word[place + 1] + word[place:])))


def _whole(_draw: random.Random, listed: Listed) -> Query:
    return Query(listed.name)


def _in_category_and_city(draw: random.Random, listed: Listed) -> Query:
    return Query(_part(draw, _han_of(draw, listed), 2), category=listed.category, city=draw.choice(_CITIES))


def _category_and_city(draw: random.Random, listed: Listed) -> Query:
    return Query("", category=listed.category, city=draw.choice(_CITIES))


def _apart(draw: random.Random, listed: Listed) -> Query:
    """Two frequent things that hardly stand together: both lists are walked to their ends."""
    return Query(f"{draw.choice(_GOODS)[0]} {draw.choice(_GOODS)[1]} {_han_of(draw, listed)[0]}")


def _nothing(draw: random.Random, _listed: Listed) -> Query:
    return Query("".join(draw.choice(_HAN) for _ in range(6)))


_SORTS = {
    "chinese": _chinese,
    "chinese_slip": _chinese_slip,
    "prefix": _prefix,
    "latin_slip": _latin_slip,
    "whole": _whole,
    "in_category_and_city": _in_category_and_city,
    "category_and_city": _category_and_city,
    "apart": _apart,
    "nothing": _nothing,
}
