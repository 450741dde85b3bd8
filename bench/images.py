"""The same images by a web framework and an object-relational mapper, in the
way that such a service is usually written.  For gunicorn: images:app."""

import os

from flask import Flask, Response, jsonify
from sqlalchemy import Column, Integer, LargeBinary, String, create_engine
from sqlalchemy.orm import declarative_base, sessionmaker

app = Flask(__name__)
Base = declarative_base()
session = sessionmaker(create_engine("postgresql://", connect_args={
    "host": os.environ["SOCKET"], "dbname": "codeexec", "user": "codeexec"}))()


class Image(Base):
    __tablename__ = "images"
    id = Column(Integer, primary_key=True)
    filename = Column(String, unique=True, nullable=False)
    data = Column(LargeBinary, nullable=False)


@app.route("/image/<filename>")
def image(filename):
    found = session.query(Image).filter_by(filename=filename).first()
    if found is None:
        return jsonify({"error": "Image not found"}), 404
    return Response(found.data, mimetype="image/png")
