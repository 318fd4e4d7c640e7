package objacl

import (
	"encoding/xml"
	"fmt"
)

const (
	nsS3  = "http://s3.amazonaws.com/doc/2006-03-01/"
	nsXSI = "http://www.w3.org/2001/XMLSchema-instance"
)

type xmlPolicy struct {
	XMLName xml.Name   `xml:"AccessControlPolicy"`
	NS      string     `xml:"xmlns,attr,omitempty"`
	Owner   xmlOwner   `xml:"Owner"`
	Grants  []xmlGrant `xml:"AccessControlList>Grant"`
}

type xmlOwner struct {
	ID string `xml:"ID"`
}

type xmlGrant struct {
	Grantee    xmlGrantee `xml:"Grantee"`
	Permission Permission `xml:"Permission"`
}

type xmlGrantee struct {
	ID  string
	URI string
}

// MarshalXML writes the grantee with its type in the schema's namespace, which
// clients read the kind of grantee from.
func (g xmlGrantee) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	kind := "CanonicalUser"
	if g.URI != "" {
		kind = "Group"
	}
	start.Attr = []xml.Attr{
		{Name: xml.Name{Local: "xmlns:xsi"}, Value: nsXSI},
		{Name: xml.Name{Local: "xsi:type"}, Value: kind},
	}
	return e.EncodeElement(struct {
		ID  string `xml:"ID,omitempty"`
		URI string `xml:"URI,omitempty"`
	}{g.ID, g.URI}, start)
}

// XML is the body of a GetObjectAcl response.
func (a ACL) XML() ([]byte, error) {
	doc := xmlPolicy{NS: nsS3, Owner: xmlOwner{a.Owner}}
	for _, g := range a.Grants {
		doc.Grants = append(doc.Grants, xmlGrant{xmlGrantee{g.ID, g.URI}, g.Permission})
	}
	body, err := xml.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write ACL: %w", err)
	}
	return append([]byte(xml.Header), body...), nil
}

// Parse reads the body of a PutObjectAcl request on an object of owner. S3
// does not let it change the owner; known is as in Request.
func Parse(body []byte, owner string, known func(id string) bool) (ACL, error) {
	var doc xmlPolicy
	if err := xml.Unmarshal(body, &doc); err != nil {
		return ACL{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if doc.Owner.ID != owner {
		return ACL{}, fmt.Errorf("%w: owner is %q, not %q", ErrMalformed, owner, doc.Owner.ID)
	}
	acl := ACL{Owner: owner}
	for _, g := range doc.Grants {
		switch g.Permission {
		case Read, ReadACP, Write, WriteACP, FullControl:
		default:
			return ACL{}, fmt.Errorf("%w: permission %q", ErrMalformed, g.Permission)
		}
		if !isGroup(g.Grantee.URI) && !known(g.Grantee.ID) {
			return ACL{}, fmt.Errorf("%w: %q", ErrGrant, g.Grantee.ID+g.Grantee.URI)
		}
		acl.Grants = append(acl.Grants,
			Grant{ID: g.Grantee.ID, URI: g.Grantee.URI, Permission: g.Permission})
	}
	return acl, nil
}
